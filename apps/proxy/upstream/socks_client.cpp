#include "proxy/upstream/socks_client.hpp"

#include "base/assert.hpp"
#include "io/socket_address.hpp"

namespace co_wq::proxy::upstream {
namespace {

std::uint8_t at(const_bytes data, std::size_t index) noexcept { return std::to_integer<std::uint8_t>(data[index]); }

void append_counted(std::string& out, std::string_view text) {
    CO_WQ_REQUIRE(!text.empty() && text.size() <= 255, "one byte counts it");
    out += static_cast<char>(text.size());
    out += text;
}

}  // namespace

std::string write_greeting(bool with_password) {
    return with_password ? std::string("\5\2\0\2", 4) : std::string("\5\1\0", 3);
}

socks::step parse_method(const_bytes have, chosen_method& out) noexcept {
    if (!have.empty() && at(have, 0) != 5) return socks::wrong;
    if (have.size() < 2) return socks::need(2);
    out.method = at(have, 1);
    return socks::done(2);
}

std::string write_login(std::string_view user, std::string_view password) {
    std::string out(1, '\1');
    append_counted(out, user);
    append_counted(out, password);
    return out;
}

socks::step parse_login_status(const_bytes have, login_status& out) noexcept {
    if (have.size() < 2) return socks::need(2);
    // RFC 1929 has version 1 here; some say 5
    if (at(have, 0) != 1 && at(have, 0) != 5) return socks::wrong;
    out.accepted = at(have, 1) == 0;
    return socks::done(2);
}

std::string write_connect(const http::authority& where) {
    std::string out("\5\1\0", 3);
    const result<io::socket_address> numeric = io::socket_address::parse(where.host, where.port);
    if (!numeric) {
        out += '\3';
        append_counted(out, where.host);
        out += static_cast<char>(where.port >> 8);
        out += static_cast<char>(where.port & 0xff);
        return out;
    }
    std::array<std::byte, socks::datagram_head_max> room;
    const std::size_t size = socks::write_datagram_head(room, *numeric);
    out.append(as_text(const_bytes(room).last(size - 3)));  // without RSV and FRAG
    return out;
}

socks::step parse_connect_reply(const_bytes have, connect_reply& out) noexcept {
    if (!have.empty() && at(have, 0) != 5) return socks::wrong;
    if (have.size() < 5) return socks::need(have.size() < 2 ? 2 : 5);
    out.code = at(have, 1);
    std::size_t size = 0;
    switch (at(have, 3)) {
        case 1: size = 4 + 4 + 2; break;
        case 3: size = 4 + 1 + std::size_t{at(have, 4)} + 2; break;
        case 4: size = 4 + 16 + 2; break;
        default: return socks::wrong;
    }
    return have.size() < size ? socks::need(size) : socks::done(size);
}

}  // namespace co_wq::proxy::upstream
