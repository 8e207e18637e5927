// opening: which protocol a client's first bytes speak.
//
// For:        one port for HTTP and SOCKS. HTTP is told by one comparison.
// Guarantees: 0x04 and 0x05 begin no HTTP request; neither does what is taken for a PROXY header here. Of a header
// whose
//             first bytes come in pieces HTTP sees the beginning, and refuses it as no request.
// Threads:    a plain function.
#pragma once

#include "base/bytes.hpp"

namespace co_wq::proxy::socks {

enum class opening : unsigned char { http, socks, proxy_header };

// first: at least one byte.
inline opening opening_of(const_bytes first) noexcept {
    const char one = as_text(first)[0];
    if (one == 'P' || one == '\r') [[unlikely]] {
        using namespace std::string_view_literals;
        for (const std::string_view mark :
             {"PROXY TCP4 "sv, "PROXY TCP6 "sv, "PROXY UNKNOWN"sv, "\r\n\r\n\0\r\nQUIT\n"sv})
            if (as_text(first).starts_with(mark)) return opening::proxy_header;
    }
    return one == 4 || one == 5 ? opening::socks : opening::http;
}

}  // namespace co_wq::proxy::socks
