// Reads one message after the other out of pieces of any size: the lines and lengths both parsers have in common.
//
//   start_line --CRLF--> fields --empty line--> head_done --set_body--> none ----------------------------+
//                                                            |--> length ---(all bytes)------------------+--> over
//                                                            |--> until_eof -----finish()----------------+
//                                                            +--> chunk_line <--CRLF-- chunk_end         |
//                                                                  |   +--size--> chunk_data --^         |
//                                                                  +--0--> trailers --empty line---------+
//   any state --a rule is broken--> failed
//
// Invariants: 1. A head or trailer section is copied line by line into its header_list until its empty line, and is
//                never longer than its limit: memory is flat whatever comes.
//             2. llhttp sees every byte of heads, chunk sizes, chunk data and trailers exactly once and in order; it
//                agrees with us on each boundary, or the message is refused.
//             3. Outcomes do not depend on how the input was cut.
// Threads:    one at a time.
// Lifetime:   does not move (llhttp_session).
#pragma once

#include <cstdint>

#include "http/h1/detail/line_rules.hpp"
#include "http/h1/detail/llhttp_session.hpp"
#include "http/h1/message.hpp"
#include "http/parse_limits.hpp"

namespace co_wq::http::h1::detail {

class message_reader {
public:
    using side = llhttp_session::side;

    message_reader(side which, const parse_limits& limits) noexcept : limits_(limits), side_(which), record_(which) {}

    // The next bytes begin a message.
    void restart() noexcept;

    // Collects a head into fields. event::head_complete means that its empty line was met; check_head() comes next.
    step read_head(const_bytes input, header_list& fields);

    // The start line, from its line end on; positions are in the text of fields.
    h1::version version() const noexcept { return version_; }
    std::uint16_t status() const noexcept { return status_; }
    header_list::slice method_at() const noexcept { return method_at_; }
    header_list::slice target_or_reason_at() const noexcept { return target_or_reason_at_; }

    // What llhttp says about the head. The fields are all there if parsed() holds, even if the verdict is a refusal.
    bool parsed() const noexcept { return record_.head_complete(); }
    const checked& verdict() const noexcept { return verdict_; }
    // Whether llhttp delimits the body the way we do.
    bool agrees(const framing& ours) const noexcept;

    // Ends the pause after the head.
    void set_body(const framing& how, std::size_t head_fields) noexcept;
    step read_body(const_bytes input, header_list& trailers);
    // The connection ended. event::body_end if that ends the message rightly.
    step finish() noexcept;

    bool at_start() const noexcept { return state_ == state::start_line && line_bytes_ == 0; }
    bool in_head() const noexcept { return state_ <= state::fields; }
    bool over() const noexcept { return state_ == state::over; }
    bool failed() const noexcept { return state_ == state::failed; }
    const refusal& error() const noexcept { return error_; }
    step fail(const refusal& why) noexcept;

private:
    enum class state : std::uint8_t {
        start_line,
        fields,
        head_done,
        none,
        length,
        until_eof,
        chunk_line,
        chunk_data,
        chunk_end,
        trailers,
        over,
        failed,
    };
    enum class chunk_part : std::uint8_t { size, extension, line_feed };

    step read_lines(const_bytes input, header_list& into);
    checked check_first_byte(char first) const noexcept;
    refusal too_large() const noexcept;
    std::size_t room(std::size_t used) const noexcept;
    checked end_line(header_list& into);
    checked end_start_line(std::string_view line, std::uint32_t at) noexcept;
    void end_head(header_list& fields);
    checked end_trailers(header_list& trailers);

    step read_length(const_bytes input) noexcept;
    step read_chunks(const_bytes input, header_list& trailers);
    std::size_t read_chunk_line(std::string_view input);
    checked next_chunk_char(char c) noexcept;
    checked end_chunk_line();
    std::size_t read_chunk_end(std::string_view input);

    const parse_limits limits_;
    const side side_;
    state state_ = state::start_line;
    chunk_part chunk_part_ = chunk_part::size;
    bool seen_empty_line_ = false;
    h1::version version_ = h1::version::http_1_1;
    std::uint16_t status_ = 0;
    header_list::slice method_at_;
    header_list::slice target_or_reason_at_;

    std::size_t line_bytes_ = 0;  // of the current line, so far
    std::size_t field_lines_ = 0;  // of this message, head and trailers
    std::size_t head_fields_ = 0;
    std::uint64_t left_ = 0;  // of the body or of the chunk
    unsigned chunk_digits_ = 0;
    unsigned chunk_end_bytes_ = 0;
    std::size_t extension_bytes_ = 0;  // of this chunk
    std::size_t extensions_bytes_ = 0;  // of this message

    checked verdict_;
    refusal error_;
    llhttp_session record_;
};

}  // namespace co_wq::http::h1::detail
