// Answers that we give ourselves: a status and one line of plain text that says what went wrong and why.
//
// For:        everything that is not forwarded; also the 200 that opens a tunnel.
// Guarantees: detail may come from anywhere: what is not printable ASCII becomes "?", and it is cut at
//             error_detail_bytes_max, so no input can add a field or a body of its own.
// Threads:    plain functions.
// Source:     RFC 9110 section 15; section 11.7.1 (407 carries Proxy-Authenticate), 10.2.1 (405 carries Allow), 10.2.3.
//
//   write_error_page(out, {.status = 502, .detail = "connect to example.com:80: connection refused"});
#pragma once

#include <cstdint>
#include <string_view>

#include "http/byte_buffer.hpp"

namespace co_wq::http {

inline constexpr std::size_t error_detail_bytes_max = 512;  // a sentence with a host name in it

struct error_page {
    std::uint16_t status = 500;
    std::string_view detail = {};  // what and why; "" leaves the phrase alone
    bool keep_alive = false;  // else Connection: close
    bool without_body = false;  // the request was HEAD: all fields, no body
    std::uint32_t retry_after_s = 0;  // 429 and 503 only; 0: not told
    std::string_view allow = {};  // 405 only: the methods there are
    std::string_view realm = "co_http_proxy";  // 407 only
    std::string_view date = {};  // an HTTP date; "": no Date field
};

void write_error_page(byte_buffer& out, const error_page& page);

// The answer to a CONNECT whose tunnel stands.
inline constexpr std::string_view tunnel_established = "HTTP/1.1 200 Connection established\r\n\r\n";
inline constexpr std::string_view continue_response = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace co_wq::http
