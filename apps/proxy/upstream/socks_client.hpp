// What we say to a SOCKS 5 parent, and what it answers, without I/O.
//
// For:        conversation.hpp. Parsers are functions of the bytes so far (socks/gather.hpp), strict and bounded: no
//             answer has more than 262 bytes.
// Threads:    plain values and functions.
// Source:     RFC 1928; RFC 1929.
#pragma once

#include <string>

#include "http/target.hpp"
#include "proxy/socks/message.hpp"

namespace co_wq::proxy::upstream {

// The methods that we know: none, and user with password if we have them.
std::string write_greeting(bool with_password);
struct chosen_method {
    std::uint8_t method = socks::method_unacceptable;
};
socks::step parse_method(const_bytes have, chosen_method& out) noexcept;

// Each of 1 to 255 bytes.
std::string write_login(std::string_view user, std::string_view password);
struct login_status {
    bool accepted = false;
};
socks::step parse_login_status(const_bytes have, login_status& out) noexcept;

// A name goes as a name: whoever answers resolves it. Requires: a host of at most 255 bytes.
std::string write_connect(const http::authority& where);
struct connect_reply {
    std::uint8_t code = 1;
};
// The bound address is read over, whatever type it has.
socks::step parse_connect_reply(const_bytes have, connect_reply& out) noexcept;

}  // namespace co_wq::proxy::upstream
