// The messages of SOCKS 4, 4a and 5: read and written, without I/O.
//
// For:        the handshake and the UDP relay. Strict: what the grammar does not allow is wrong, with the reply that
// says
//             so. Two liberties that clients take and that are not ambiguous are read: names and passwords of no bytes
//             (RFC 1929 asks for one at least), and numeric hosts given as names.
// Guarantees: each parser is a function of the bytes so far (gather.hpp). Bounded: a SOCKS 4 request has at most 520
//             bytes (user and name of up to 255 each), SOCKS 5 messages 513. Names are host names in lower case
//             (net/dns/host_name.hpp), so no zero byte, no blank and no quote ever gets further.
// Threads:    plain values and functions.
// Source:     RFC 1928; RFC 1929; SOCKS: A protocol for TCP proxy across firewalls (Ying-Da Lee), and its 4A extension.
//
//   std::string have; const_bytes left = arrived; request asked;
//   step now = gather(have, left, [&](const_bytes so_far) { return parse_request5(so_far, asked); });
#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"
#include "http/target.hpp"
#include "io/socket_address.hpp"
#include "proxy/socks/gather.hpp"

namespace co_wq::proxy::socks {

// RFC 1928 section 6.
enum class reply : std::uint8_t {
    granted = 0,
    general_failure = 1,
    not_allowed = 2,
    network_unreachable = 3,
    host_unreachable = 4,
    connection_refused = 5,
    ttl_expired = 6,  // nobody answered in time
    command_not_supported = 7,
    address_type_not_supported = 8,
};
std::string_view name_of(reply code) noexcept;
// Why there is no connection.
reply reply_of(error why) noexcept;

enum class command : std::uint8_t { connect = 1, bind = 2, udp_associate = 3 };
std::string_view name_of(command what) noexcept;

// What a client offers for its authentication (RFC 1928 section 3).
struct greeting {
    bool no_authentication = false;
    bool user_password = false;
};
inline constexpr std::uint8_t method_none = 0, method_user_password = 2, method_unacceptable = 0xff;
step parse_greeting(const_bytes have, greeting& out);
std::string write_method(std::uint8_t method);

// RFC 1929.
struct login {
    std::string user;
    std::string password;
};
step parse_login(const_bytes have, login& out);
std::string write_login_status(bool accepted);

struct request {
    std::uint8_t version = 5;
    command what = command::connect;
    // No port is 0 but that of UDP ASSOCIATE, whose host may be any, too.
    http::authority where;
    std::string user;  // SOCKS 4: as the client claims
    // When it is wrong: the answer to give, and the reason in words.
    reply refusal = reply::general_failure;
    std::string_view why;
};
step parse_request4(const_bytes have, request& out);
step parse_request5(const_bytes have, request& out);

// The answer in the words of the request's version; bound: our address for it, if there is one.
std::string write_reply(std::uint8_t version, reply code, const io::socket_address& bound = {});

// The header of a datagram between client and relay (RFC 1928 section 7): where it goes, and its size. A view into it.
struct datagram_head {
    io::socket_address to;  // with the port, and family none if a name is given
    std::string_view name;  // as sent
    std::size_t size = 0;
};
// False: not whole, a fragment, to port 0 or otherwise not to be passed on.
bool parse_datagram(const_bytes datagram, datagram_head& out) noexcept;
inline constexpr std::size_t datagram_head_max = 22;  // of those that we write
// The header for what came from there, into the end of room; its size.
std::size_t write_datagram_head(std::span<std::byte, datagram_head_max> room, const io::socket_address& from) noexcept;

}  // namespace co_wq::proxy::socks
