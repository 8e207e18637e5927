// Clients that speak SOCKS: tunnels, refusals, aborts in each phase, datagrams.
#include "sim/proxy/socks_clients.hpp"

#include <array>

#include "net/udp.hpp"
#include "sync/deadline.hpp"
#include "sync/sleep.hpp"
#include "task/when.hpp"

namespace co_wq::sim::proxy {
namespace {

std::string octets(std::initializer_list<int> values) {
    std::string out;
    for (const int one : values) out += static_cast<char>(one);
    return out;
}

std::string port_text(std::uint16_t port) { return octets({port >> 8, port & 0xff}); }

// 10.0.0.x goes as an address where the dice say so.
std::string address_text(std::string_view host, std::uint16_t port, bool as_name) {
    if (!as_name && host.starts_with("10.0.0.")) return octets({1, 10, 0, 0, host.back() - '0'}) + port_text(port);
    return octets({3, static_cast<int>(host.size())}) + std::string(host) + port_text(port);
}

duration some_pause(seeded_random& dice) {
    return dice.one_in(3) ? duration(std::chrono::microseconds(dice.below(3'000))) : duration::zero();
}

task<void> echo_into(socks_visitor& me, std::string& back) {
    while (me.socket.is_open()) {
        const bool more = co_await hear(me.socket, back);
        if (!more) co_return;
    }
}

task<void> speak(socks_visitor& me, std::string text, bool abort, bool reset) {
    const bool sent = co_await say(me.socket, std::move(text), duration::zero());
    if (!sent) co_return;
    if (!abort) {
        (void)me.socket.shutdown_send();
    } else if (reset) {
        me.socket.reset();
    } else {
        me.socket.close();
    }
}

void expect_echo(const socks_visitor& me, const errand& what, std::size_t size, std::string_view back) {
    const std::string tail = "last words";
    for (std::size_t at = 0; at < std::min(back.size(), size); ++at)
        check(back[at] == static_cast<char>(letter(what.id, at) ^ 0x20), "a SOCKS tunnel delivered other bytes");
    check(back.size() <= size + tail.size(), "a SOCKS tunnel delivered more than was said");
    if (!me.where.calm || me.where.ending) return;
    check(back.size() == size + tail.size() && back.ends_with(tail), "a SOCKS tunnel lost its last bytes");
}

task<void> use_socks_tunnel(world& where, seeded_random dice) {
    socks_visitor me{where};
    const bool there = co_await me.arrive(static_cast<unsigned>(dice.next() >> 60));
    if (!there) co_return;
    const errand what{.id = ++where.next_id};
    const std::size_t size = dice.one_in(3) ? 100'000 + dice.below(200'000) : 1 + dice.below(5'000);
    const bool abort = dice.one_in(3), version4 = dice.one_in(3), as_name = dice.one_in(2);
    const std::string host = as_name ? "echo.test" : "10.0.0.2";
    const std::size_t early = dice.one_in(2) ? std::min<std::size_t>(size, 1 + dice.below(500)) : 0;
    const std::string request =
        version4 ? socks4_request(host, echo_port) : socks5_request(1, host, echo_port, as_name);
    const int version = version4 ? 4 : 5;
    const std::string begin = request + text_of(what.id, 0, early);
    const duration pause = some_pause(dice);
    const int code = co_await me.ask(version, begin, pause, dice.one_in(2));
    if (code < 0) co_return where.note("socks tunnel: no answer");
    if (where.calm && !where.ending) check(code == 0, "a SOCKS tunnel was refused although nothing was wrong");
    if (code != 0) co_return;
    const std::size_t said = abort ? early + dice.below(size - early + 1) : size;
    std::string rest = text_of(what.id, early, said - early);
    std::string back = std::move(me.heard);
    co_await when_all(speak(me, std::move(rest), abort, dice.one_in(2)), echo_into(me, back));
    if (!abort) expect_echo(me, what, size, back);
}

struct errand_to_nobody {
    std::string_view host;
    std::uint16_t port;
    std::uint8_t command;
    int code;  // of RFC 1928 section 6
};

task<void> ask_socks_nobody(world& where, seeded_random dice) {
    static constexpr std::array nobodies{errand_to_nobody{"nobody.test", 80, 1, 4},
                                         errand_to_nobody{"fails.test", 80, 1, 4},
                                         errand_to_nobody{"mute.test", 80, 1, 6},
                                         errand_to_nobody{"10.0.0.1", closed_port, 1, 5},
                                         errand_to_nobody{"10.0.0.1", silent_port, 1, 6},
                                         errand_to_nobody{"10.0.0.1", 80, 2, 7},
                                         errand_to_nobody{"10.0.0.1", 80, 9, 7},
                                         errand_to_nobody{"10.0.0.1", 0, 1, 1},
                                         errand_to_nobody{"a b", 80, 1, 1}};
    socks_visitor me{where};
    const bool there = co_await me.arrive(static_cast<unsigned>(dice.next() >> 60));
    if (!there) co_return;
    const errand_to_nobody& what = nobodies[dice.below(nobodies.size())];
    const time_point began = where.drive.clock().now();
    const std::string request = socks5_request(what.command, what.host, what.port, false);
    const int code = co_await me.ask(5, request + "bytes behind it", some_pause(dice), dice.one_in(2));
    check(code != 0, "a SOCKS tunnel to nobody was granted");
    if (code > 0 && where.calm && !where.ending && code != what.code)
        fail("a wrong reply: " + std::to_string(code) + " instead of " + std::to_string(what.code));
    if (where.calm && !where.ending) check(code > 0, "a SOCKS refusal was not answered");
    check(where.drive.clock().now() - began < std::chrono::seconds(60), "a SOCKS refusal took too long");
}

// Says a part of it, and then nothing, the end, or less than that. Whoever stays is left in time.
task<void> leave_socks(world& where, seeded_random dice) {
    socks_visitor me{where};
    const bool there = co_await me.arrive(static_cast<unsigned>(dice.next() >> 60));
    if (!there) co_return;
    std::string text = dice.one_in(2)
                           ? octets({5, 1, 0}) + socks5_request(1 + 2 * dice.one_in(2), "echo.test", 443, true)
                           : socks4_request("echo.test", echo_port);
    text.resize(1 + dice.below(text.size()));
    const time_point began = where.drive.clock().now();
    const bool sent = co_await say(me.socket, std::move(text), some_pause(dice));
    if (!sent) co_return;
    if (dice.one_in(3)) (void)co_await sleep_for(std::chrono::microseconds(dice.below(5'000)));
    switch (dice.below(4)) {
        case 0: me.socket.reset(); co_return;
        case 1: me.socket.close(); co_return;
        case 2: (void)me.socket.shutdown_send(); break;
        default: break;
    }
    std::string some;
    co_await echo_into(me, some);
    // a whole request makes a tunnel, which may idle for as long as it is allowed to
    check(where.drive.clock().now() - began < std::chrono::minutes(10), "a SOCKS client is waited for for ever");
}

task<void> relay_datagrams(world& where, seeded_random dice) {
    socks_visitor me{where};
    const bool there = co_await me.arrive(static_cast<unsigned>(dice.next() >> 60));
    if (!there) co_return;
    const std::string asking = socks5_request(3, "10.0.0.0", 0, false);
    const int code = co_await me.ask(5, asking, some_pause(dice), false);
    if (where.calm && !where.ending) check(code == 0, "an association was refused although nothing was wrong");
    if (code != 0) co_return;
    const io::socket_address relay = me.bound;
    result<net::udp_socket> mine = net::udp_socket::open(where.outside(), io::address_family::ipv4);
    if (!mine) co_return;
    const auto id = static_cast<std::uint32_t>(++where.next_id);
    for (std::uint64_t left = 1 + dice.below(6); left > 0; --left) {
        const bool as_name = dice.one_in(2);
        const std::string payload = text_of(id, left, dice.below(900));
        const std::string head =
            octets({0, 0, 0}) + address_text(as_name ? "echo.test" : "10.0.0.2", udp_port, as_name);
        const std::string whole = head + payload;
        const result<void> sent = co_await mine->send_to(as_bytes(whole), relay);
        if (!sent) break;
        std::string room(2000, ' ');
        const bytes into(reinterpret_cast<std::byte*>(room.data()), room.size());
        const result<io::received> got = co_await with_timeout(std::chrono::seconds(20), receive(*mine, into));
        if (where.calm && !where.ending) check(got.has_value(), "a datagram got no answer");
        if (!got) break;
        room.resize(got->size);
        const std::string wanted = octets({0, 0, 0}) + address_text("10.0.0.2", udp_port, false);
        check(room.starts_with(wanted), "a datagram's answer comes from elsewhere");
        // what was late or came twice may be an earlier one
        if (where.calm) check(room.substr(wanted.size()) == payload, "a datagram's answer is another's");
    }
    if (dice.one_in(2)) me.socket.reset();
}

}  // namespace

task<result<io::received>> receive(net::udp_socket& on, bytes into) {
    const result<io::received> got = co_await on.recv_from(into);
    co_return got;
}

std::string socks5_request(int command, std::string_view host, std::uint16_t port, bool as_name) {
    return octets({5, command, 0}) + address_text(host, port, as_name);
}

std::string socks4_request(std::string_view host, std::uint16_t port) {
    const std::string begin = octets({4, 1}) + port_text(port);
    if (host.starts_with("10.0.0.")) return begin + octets({10, 0, 0, host.back() - '0'}) + "me" + '\0';
    return begin + octets({0, 0, 0, 1}) + "me" + '\0' + std::string(host) + '\0';
}

task<bool> socks_visitor::arrive(unsigned door) {
    io::event_loop& here = where.outside();
    for (int tries = 0; tries < 20; ++tries) {
        const result<io::native_handle> handle = here.reactor().calls().open_stream(io::address_family::ipv4);
        if (handle) {
            socket = io::socket(here, *handle, io::descriptor_kind::stream);
            const result<void> connected = co_await socket.connect(where.proxy_at(door));
            if (!connected) socket.close();
            co_return connected.has_value();
        }
        (void)co_await sleep_for(std::chrono::milliseconds(10));
    }
    co_return false;
}

task<bool> socks_visitor::hear_at_least(std::size_t size) {
    while (heard.size() < size) {
        const bool more = co_await hear(socket, heard);
        if (!more) co_return false;
    }
    co_return true;
}

task<int> socks_visitor::ask(int version, std::string request, duration pause, bool at_once) {
    const std::string greeting = version == 5 ? octets({5, 1, 0}) : std::string();
    if (at_once || version == 4) {
        const bool sent = co_await say(socket, greeting + request, pause);
        if (!sent) co_return -1;
    } else {
        const bool greeted = co_await say(socket, greeting, pause);
        if (!greeted) co_return -1;
        const bool agreed = co_await hear_at_least(2);
        if (!agreed) co_return -1;
        const bool sent = co_await say(socket, std::move(request), pause);
        if (!sent) co_return -1;
    }
    const bool answered = co_await hear_answer(version);
    if (!answered) co_return -1;
    co_return code;
}

task<bool> socks_visitor::hear_answer(int version) {
    const std::size_t size = version == 5 ? 12 : 8;
    const bool whole = co_await hear_at_least(size);
    if (!whole) co_return false;
    if (version == 5) {
        check(heard.starts_with(octets({5, 0, 5})) && heard[4] == 0 && heard[5] == 1, "no answer of SOCKS 5");
        const auto at = [this](std::size_t index) { return static_cast<std::uint8_t>(heard[index]); };
        bound =
            io::socket_address::ipv4({at(6), at(7), at(8), at(9)}, static_cast<std::uint16_t>(at(10) << 8 | at(11)));
        code = heard[3];
    } else {
        check(heard[0] == 0 && (heard[1] == 90 || heard[1] == 91), "no answer of SOCKS 4");
        code = heard[1] == 90 ? 0 : 1;
    }
    heard.erase(0, size);
    if (code != 0) {
        const bool more = co_await hear(socket, heard);
        check(!more && heard.empty(), "bytes behind a SOCKS refusal");
    }
    co_return true;
}

void start_datagram_echo(world& where) {
    const io::socket_address here = io::socket_address::ipv4({10, 0, 0, 2}, udp_port);
    io::sim_network& network = where.drive.network();
    network.serve_datagrams(here, [&network, here](const io::socket_address& from, std::string_view datagram) {
        network.send_datagram(here, from, std::string(datagram));
    });
}

const char* name_of_socks_client(unsigned kind) noexcept {
    static constexpr const char* names[socks_client_kinds] = {"SOCKS tunnel", "SOCKS to nobody", "SOCKS leaves",
                                                              "SOCKS datagrams"};
    return names[kind % socks_client_kinds];
}

task<void> run_socks_client(world& where, unsigned kind, std::uint64_t dice) {
    const seeded_random own(dice);
    switch (kind) {
        case 0: return use_socks_tunnel(where, own);
        case 1: return ask_socks_nobody(where, own);
        case 2: return leave_socks(where, own);
        default: return relay_datagrams(where, own);
    }
}

}  // namespace co_wq::sim::proxy
