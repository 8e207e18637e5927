// llhttp, seen through a keyhole: what it recognises, as offsets and flags, and nothing of its types.
//
// For:        message_reader. llhttp is the parser of record: names, values, chunk sizes and body bytes are what it
//             says they are; the checks around it only refuse more.
// Requires:   a head or trailer section is fed in one piece that is part of the text of the header_list it fills.
// Guarantees: no allocation; no callback leaves this class.
// Threads:    one at a time.
// Lifetime:   must not move while a message is under way (llhttp points back at it), so it does not move at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/bytes.hpp"
#include "http/headers.hpp"
#include "http/refusal.hpp"

namespace co_wq::http::h1::detail {

class llhttp_session {
public:
    enum class side : std::uint8_t { request, response };

    explicit llhttp_session(side which) noexcept;
    llhttp_session(const llhttp_session&) = delete;
    llhttp_session& operator=(const llhttp_session&) = delete;

    // Forgets everything; the next bytes begin a message.
    void restart() noexcept;

    // Feeds all of the text, which stands in fields' text at position at, and adds the fields found. prefix, if any, is
    // fed before it. An error is one of llhttp's reasons.
    checked feed_fields(std::string_view prefix, header_list& fields, header_list::slice text);
    // Feeds a piece of a chunk-size line or a line end.
    checked feed_line(std::string_view piece);
    // Feeds a piece of a chunk's data; all of it must be body.
    checked feed_body(const_bytes piece);

    bool head_complete() const noexcept { return head_complete_; }
    bool message_complete() const noexcept { return message_complete_; }
    bool chunked() const noexcept { return chunked_; }
    bool has_length() const noexcept { return has_length_; }
    std::uint64_t length() const noexcept { return length_; }
    // The size of the chunk whose line just ended; only once per chunk.
    bool take_chunk_size(std::uint64_t& size) noexcept;

private:
    friend struct llhttp_callbacks;
    checked execute(const char* data, std::size_t size);

    // room for an llhttp_t, whose header stays out of ours; the source asserts that it suffices
    alignas(8) std::byte state_[112];

    header_list* fields_ = nullptr;
    const char* text_ = nullptr;  // start of the piece being fed
    std::uint32_t text_at_ = 0;  // its position in the text of fields_
    header_list::slice name_;
    header_list::slice value_;
    std::uint64_t length_ = 0;
    std::uint64_t chunk_size_ = 0;
    std::size_t body_bytes_ = 0;
    bool head_complete_ = false;
    bool message_complete_ = false;
    bool chunked_ = false;
    bool has_length_ = false;
    bool has_chunk_size_ = false;
};

}  // namespace co_wq::http::h1::detail
