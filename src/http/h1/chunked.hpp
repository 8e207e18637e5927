// Writes the chunked transfer coding.
//
// For:     bodies without a known length to HTTP/1.1 peers.
// Threads: plain functions.
// Source:  RFC 9112 section 7.1; RFC 9110 section 6.5.1 (which fields may be trailers).
//
//   const chunk_header header(data.size());
//   send({header.data(), data, as_bytes(chunk_end)});      // gathered, data is not copied
//   ...
//   append_last_chunk(out, trailers);
#pragma once

#include "base/bytes.hpp"
#include "http/byte_buffer.hpp"
#include "http/headers.hpp"

namespace co_wq::http::h1 {

// The line before a chunk of size bytes. Requires: size > 0, because 0 would end the body.
class chunk_header {
public:
    explicit chunk_header(std::uint64_t size) noexcept;
    std::string_view text() const noexcept { return {text_, size_}; }
    const_bytes data() const noexcept { return as_bytes(text()); }

private:
    char text_[18];  // 16 digits, CR, LF
    std::uint8_t size_ = 0;
};

// The bytes behind a chunk.
inline constexpr std::string_view chunk_end = "\r\n";

// A whole chunk; nothing for no data.
void append_chunk(byte_buffer& out, const_bytes data);

// Ends the body. Trailers that must not be trailers are left out.
void append_last_chunk(byte_buffer& out, const header_list& trailers = {});

// Framing, routing, authentication and whatever else must be known before the body.
// clang-format off
inline constexpr field_set fields_not_in_trailers{
    field_id::transfer_encoding, field_id::content_length, field_id::host, field_id::connection,
    field_id::proxy_connection, field_id::keep_alive, field_id::te, field_id::trailer, field_id::upgrade,
    field_id::expect, field_id::max_forwards, field_id::via, field_id::authorization, field_id::proxy_authorization,
    field_id::proxy_authenticate, field_id::proxy_authentication_info, field_id::www_authenticate, field_id::cookie,
    field_id::set_cookie, field_id::cache_control, field_id::content_encoding, field_id::content_type,
    field_id::content_range, field_id::range, field_id::location, field_id::retry_after, field_id::age, field_id::date,
    field_id::http2_settings};
// clang-format on

}  // namespace co_wq::http::h1
