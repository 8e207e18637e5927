// The PAC file: a script that tells browsers which proxy to take (proxy auto-configuration).
//
// For:        GET /proxy.pac and GET /wpad.dat of the proxy itself. The client learns the address by which it reached
// us
//             (its Host field), so that nothing needs to be configured.
// Source:     the function FindProxyForURL(url, host), as browsers, curl's front ends and systems call it.
#pragma once

#include "http/byte_buffer.hpp"
#include "http/target.hpp"

namespace co_wq::proxy {

// Whether this origin-form path names the file; a query is allowed.
bool names_pac_file(std::string_view path) noexcept;

// The whole answer. here: how the client calls us; secured: over TLS.
void write_pac_answer(http::byte_buffer& out, const http::authority& here, bool secured, bool without_body,
                      bool keep_alive);

}  // namespace co_wq::proxy
