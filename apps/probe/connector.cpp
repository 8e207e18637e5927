#include "probe/connector.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "http/h1/response_parser.hpp"
#include "net/dns/connect_host.hpp"

namespace co_wq::probe {
namespace {

std::string text_of(const http::authority& where) {
    http::byte_buffer out;
    http::append_authority(out, where);
    return std::string(out.text());
}

const char* socks_reply(unsigned code) noexcept {
    static constexpr std::array<const char*, 9> words{
        "succeeded",           "general failure",       "not allowed",
        "network unreachable", "host unreachable",      "connection refused",
        "TTL expired",         "command not supported", "address type not supported"};
    return code < words.size() ? words[code] : "unknown reply";
}

}  // namespace

connector::connector(io::event_loop& loop, const probe::way& how,
                     const std::optional<net::tls::client_context>& context)
    : loop_(loop), way_(how), context_(context), names_(loop) {}

task<outcome> connector::open_first_hop(channel& into) {
    into.close();
    const http::authority& hop = way_.first_hop();
    if (const result<io::socket_address> numeric = io::socket_address::parse(hop.host, hop.port)) {
        result<net::tcp_stream> made = co_await net::tcp_stream::connect(loop_, *numeric);
        if (!made) co_return failed(made.error(), stage::connect);
        into.plain = std::move(*made);
        co_return outcome();
    }
    result<net::dns::connected> made = co_await net::dns::connect_host(loop_, names_, hop.host, hop.port);
    if (!made) co_return failed(made.error(), stage::connect);
    into.plain = net::tcp_stream(std::move(made->socket));
    co_return outcome();
}

task<outcome> connector::open(channel& into) {
    outcome done = co_await open_first_hop(into);
    if (done && way_.tunnelled()) {
        if (way_.through->kind == proxy_kind::http) {
            done = co_await http_tunnel(into);
        } else {
            done = co_await socks_tunnel(into);
        }
    }
    if (done && way_.target.secure) done = co_await secure(into);
    if (!done) into.close();
    co_return done;
}

std::string connector::tunnel_request() const {
    if (way_.through->kind != proxy_kind::http)
        return way_.through->user.empty() ? std::string("\x05\x01\x00", 3) : std::string("\x05\x02\x00\x02", 4);
    const std::string where = text_of(way_.target.where);
    std::string head = "CONNECT " + where + " HTTP/1.1\r\nHost: " + where + "\r\n";
    if (!way_.through->user.empty())
        head += "Proxy-Authorization: Basic " + base64(way_.through->user + ":" + way_.through->password) + "\r\n";
    return head + "\r\n";
}

task<outcome> connector::http_tunnel(channel& into) {
    const std::string head = tunnel_request();
    const result<void> sent = co_await into.send(as_bytes(head));
    if (!sent) co_return failed(sent.error(), stage::tunnel);
    outcome done = co_await connect_answer(into);
    co_return done;
}

task<outcome> connector::connect_answer(channel& into) {
    http::h1::response_parser answer;
    answer.begin(http::method::connect);
    for (;;) {
        const http::h1::step done = answer.parse(into.input.data());
        into.input.consume(done.consumed);
        switch (done.what) {
            case http::h1::event::error:
                co_return failed(ending::bad_answer, "answer to CONNECT: " + std::string(answer.error().reason));
            case http::h1::event::head_complete:
                if (!answer.head().interim() && answer.head().status / 100 != 2)
                    co_return failed(ending::proxy_refused, "CONNECT: status " + std::to_string(answer.head().status));
                break;
            case http::h1::event::body_end:
                if (answer.done()) co_return outcome();
                break;
            default: break;
        }
        if (done.what != http::h1::event::need_more) continue;
        const result<std::size_t> got = co_await into.fill();
        if (!got) co_return failed(got.error(), stage::tunnel);
        if (*got == 0) co_return failed(error(errc::unexpected_eof), stage::tunnel);
    }
}

task<result<void>> connector::read_exactly(channel& from, bytes into) {
    while (!into.empty()) {
        if (from.input.empty()) {
            const result<std::size_t> got = co_await from.fill();
            if (!got) co_return fail(got.error());
            if (*got == 0) co_return fail(errc::unexpected_eof);
        }
        const std::size_t part = std::min(into.size(), from.input.size());
        std::memcpy(into.data(), from.input.data().data(), part);
        from.input.consume(part);
        into = into.subspan(part);
    }
    co_return result<void>();
}

// RFC 1928 section 3, RFC 1929.
task<outcome> connector::socks_methods(channel& into) {
    const std::string greeting = tunnel_request();
    result<void> done = co_await into.send(as_bytes(greeting));
    if (!done) co_return failed(done.error(), stage::tunnel);
    std::array<std::byte, 2> answer{};
    done = co_await read_exactly(into, answer);
    if (!done) co_return failed(done.error(), stage::tunnel);
    const auto method = std::to_integer<unsigned>(answer[1]);
    if (std::to_integer<unsigned>(answer[0]) != 5) co_return failed(ending::bad_answer, "the proxy is not SOCKS5");
    if (method == 0) co_return outcome();
    const proxy& through = *way_.through;
    if (method != 2 || through.user.empty())
        co_return failed(ending::proxy_refused, "SOCKS5: the proxy accepts none of our ways to authenticate");
    std::string words = "\x01";
    words += static_cast<char>(through.user.size());
    words += through.user;
    words += static_cast<char>(through.password.size());
    words += through.password;
    done = co_await into.send(as_bytes(words));
    if (!done) co_return failed(done.error(), stage::tunnel);
    done = co_await read_exactly(into, answer);
    if (!done) co_return failed(done.error(), stage::tunnel);
    if (std::to_integer<unsigned>(answer[1]) != 0)
        co_return failed(ending::proxy_refused, "SOCKS5: user or password refused");
    co_return outcome();
}

// RFC 1928 section 4: the address, or the name when there is none.
std::string connector::socks_request(const std::optional<io::socket_address>& address) const {
    const http::authority& target = way_.target.where;
    std::string made("\x05\x01\x00", 3);
    if (address) {
        const std::size_t size = address->family() == io::address_family::ipv4 ? 4 : 16;
        made += static_cast<char>(size == 4 ? 1 : 4);
        made.append(reinterpret_cast<const char*>(address->octets().data()), size);
    } else {
        made += '\x03';
        made += static_cast<char>(target.host.size());  // at most 255, as parse_authority has it
        made += target.host;
    }
    made += static_cast<char>(target.port >> 8);
    made += static_cast<char>(target.port & 255);
    return made;
}

task<outcome> connector::socks_tunnel(channel& into) {
    const http::authority& target = way_.target.where;
    std::optional<io::socket_address> address;
    if (const result<io::socket_address> numeric = io::socket_address::parse(target.host, target.port)) {
        address = *numeric;
    } else if (way_.through->kind == proxy_kind::socks5) {
        const result<net::dns::address_list> found =
            co_await names_.resolve(target.host, target.port, net::dns::families::ipv4_first);
        if (!found) co_return failed(found.error(), stage::name);
        address = *found->begin();
    }
    outcome agreed = co_await socks_methods(into);
    if (!agreed) co_return agreed;
    const std::string request = socks_request(address);
    result<void> done = co_await into.send(as_bytes(request));
    if (!done) co_return failed(done.error(), stage::tunnel);
    std::array<std::byte, 5> head{};
    done = co_await read_exactly(into, head);
    if (!done) co_return failed(done.error(), stage::tunnel);
    const auto reply = std::to_integer<unsigned>(head[1]), kind = std::to_integer<unsigned>(head[3]);
    if (std::to_integer<unsigned>(head[0]) != 5 || (kind != 1 && kind != 3 && kind != 4))
        co_return failed(ending::bad_answer, "SOCKS5: not a reply");
    if (reply != 0) co_return failed(ending::proxy_refused, std::string("SOCKS5: ") + socks_reply(reply));
    // the address, of which the first byte is there, and the port
    std::array<std::byte, 260> rest{};
    const std::size_t size = kind == 1 ? 5 : kind == 4 ? 17 : std::to_integer<std::size_t>(head[4]) + 2;
    done = co_await read_exactly(into, bytes(rest).first(size));
    if (!done) co_return failed(done.error(), stage::tunnel);
    co_return outcome();
}

task<outcome> connector::secure(channel& into) {
    if (!into.input.empty()) co_return failed(ending::bad_answer, "bytes in the tunnel before we sent any");
    result<net::tls::stream> made =
        co_await net::tls::connect(std::move(into.plain), *context_, way_.target.where.host);
    if (!made) co_return failed(made.error(), stage::tls);
    into.secure = std::move(*made);
    co_return outcome();
}

}  // namespace co_wq::probe
