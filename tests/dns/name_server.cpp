#include "name_server.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "sync/sleep.hpp"
#include "task/yield.hpp"

namespace co_wq::net::dns::test {
namespace {

constexpr std::size_t header_octets = 12;

// The end of the name that starts at `at`.
std::size_t end_of_name(const std::string& packet, std::size_t at, std::string* text = nullptr) {
    while (at < packet.size() && packet[at] != 0) {
        const auto length = static_cast<unsigned char>(packet[at]);
        if (text) *text += (text->empty() ? "" : ".") + packet.substr(at + 1, length);
        at += 1u + length;
    }
    return at + 1;
}

std::string lower(std::string text) {
    for (char& c : text)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    return text;
}

rr address_record(int type, const std::string& address, std::uint32_t ttl, std::string owner) {
    const io::socket_address parsed = io::socket_address::parse(address, 0).value();
    const std::size_t length = type == type_a ? 4 : 16;
    const auto& octets = parsed.octets();
    return {std::move(owner), type, ttl, std::string(octets.begin(), octets.begin() + static_cast<int>(length))};
}

}  // namespace

std::string number(std::uint32_t value, int octets) {
    std::string out;
    for (int shift = (octets - 1) * 8; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xff);
    return out;
}

std::string encoded(const std::string& name) {
    std::string out;
    for (std::size_t at = 0; at < name.size() && name != ".";) {
        const std::size_t dot = std::min(name.find('.', at), name.size());
        out += static_cast<char>(dot - at);
        out += name.substr(at, dot - at);
        at = dot + 1;
    }
    return out + '\0';
}

rr a(const std::string& address, std::uint32_t ttl, std::string owner) {
    return address_record(type_a, address, ttl, std::move(owner));
}
rr aaaa(const std::string& address, std::uint32_t ttl, std::string owner) {
    return address_record(type_aaaa, address, ttl, std::move(owner));
}
rr cname(const std::string& target, std::uint32_t ttl, std::string owner) {
    return {std::move(owner), type_cname, ttl, encoded(target)};
}

rr srv(int priority, int weight, int port, const std::string& target, std::uint32_t ttl) {
    std::string data;
    for (const int value : {priority, weight, port}) data += number(static_cast<std::uint32_t>(value), 2);
    return {"", type_srv, ttl, data + encoded(target)};
}
rr mx(int preference, const std::string& host, std::uint32_t ttl) {
    return {"", type_mx, ttl, number(static_cast<std::uint32_t>(preference), 2) + encoded(host)};
}
rr ptr(const std::string& target, std::uint32_t ttl, std::string owner) {
    return {std::move(owner), type_ptr, ttl, encoded(target)};
}
rr txt(const std::vector<std::string>& parts, std::uint32_t ttl) {
    std::string data;
    for (const std::string& one : parts) data += number(static_cast<std::uint32_t>(one.size()), 1) + one;
    return {"", type_txt, ttl, data};
}
rr ns(const std::string& target, std::string owner) { return {std::move(owner), type_ns, 300, encoded(target)}; }
rr soa(std::uint32_t minimum, std::uint32_t ttl, std::string owner) {
    std::string data = encoded("ns." + owner) + encoded("mail." + owner);
    for (const std::uint32_t value : {1u, 3600u, 600u, 86400u, minimum}) data += number(value, 4);
    return {std::move(owner), type_soa, ttl, data};
}

name_server::name_server(io::event_loop& loop, std::uint16_t port) : loop_(loop), tasks_(loop) {
    script_ = [](const question&) { return reply{}; };
    open(port);
    elsewhere_ = udp_socket::bind(loop_, io::socket_address::loopback(0)).value();
    tasks_.spawn(serve_udp(*this), "name server, UDP");
    tasks_.spawn(serve_tcp(*this), "name server, TCP");
}

// Both transports have one port; the system chooses it, and again if TCP's is taken.
void name_server::open(std::uint16_t port) {
    for (int attempt = 0; attempt < 100; ++attempt) {
        udp_ = udp_socket::bind(loop_, io::socket_address::loopback(port)).value();
        address_ = udp_.local_address().value();
        const auto listener = loop_.reactor().calls().open_listener(address_, 64, false);
        if (!listener) continue;
        tcp_ = io::socket(loop_, *listener, io::descriptor_kind::listener);
        return;
    }
    FAIL() << "no port is free for both UDP and TCP";
}

resolver_options name_server::options() const {
    resolver_options made;
    made.servers = address();
    made.search = false;
    made.hosts_file = "";
    made.query_timeout = std::chrono::seconds(5);
    made.tries = 1;
    made.ttl_min = duration::zero();
    return made;
}

std::size_t name_server::asked(int type, bool tcp) const {
    return static_cast<std::size_t>(std::count_if(
        questions_.begin(), questions_.end(), [&](const question& one) { return one.type == type && one.tcp == tcp; }));
}

task<void> name_server::until_asked(std::size_t count) {
    for (int turn = 1; asked() < count; ++turn) {
        if (turn % 8 == 0) {
            (void)co_await sleep_for(std::chrono::microseconds(100));  // virtual time passes while one waits only
        } else {
            co_await yield();
        }
    }
}

task<void> name_server::serve_udp(name_server& me) {
    for (;;) {
        std::byte packet[2048];
        const result<io::received> got = co_await me.udp_.recv_from(packet);
        if (!got) {
            if (got.error() == errc::connection_refused) continue;  // told of an answer that nobody waited for
            co_return;
        }
        if (got->size <= header_octets) continue;
        const std::string asked(reinterpret_cast<const char*>(packet), got->size);
        const io::socket_address to = got->from;
        const reply what = me.ask(asked, false);
        if (what.silent) continue;
        const std::string made = me.build(asked, what, false);
        if (what.held && !me.released_) {
            me.held_.push_back({made, to});
            continue;
        }
        const udp_socket& from = what.from_elsewhere ? me.elsewhere_ : me.udp_;
        for (int i = 0; i < what.copies; ++i) (void)co_await from.send_to(as_bytes(std::string_view(made)), to);
    }
}

task<void> name_server::serve_tcp(name_server& me) {
    for (;;) {
        result<io::socket> from = co_await me.tcp_.accept();
        if (!from) co_return;
        me.tasks_.spawn(serve_connection(me, std::move(*from)), "name server connection");
    }
}

task<void> name_server::serve_connection(name_server& me, io::socket from) {
    std::string arrived;
    for (;;) {
        char chunk[2048];
        const result<std::size_t> got = co_await from.recv(std::as_writable_bytes(std::span(chunk)));
        if (!got || *got == 0) co_return;
        arrived.append(chunk, *got);
        while (arrived.size() >= 2) {
            const std::size_t length = static_cast<std::size_t>(static_cast<unsigned char>(arrived[0])) << 8 |
                                       static_cast<unsigned char>(arrived[1]);
            if (arrived.size() < 2 + length) break;
            const std::string asked = arrived.substr(2, length);
            arrived.erase(0, 2 + length);
            const reply what = me.ask(asked, true);
            if (what.silent) continue;
            const std::string made = me.build(asked, what, true);
            const std::string framed = number(static_cast<std::uint32_t>(made.size()), 2) + made;
            const result<void> sent = co_await from.send_all(as_bytes(framed));
            if (!sent) co_return;
        }
    }
}

reply name_server::ask(const std::string& packet, bool tcp) {
    const auto number_at = [&](std::size_t at) {
        return at + 2 > packet.size()
                   ? 0
                   : static_cast<unsigned char>(packet[at]) << 8 | static_cast<unsigned char>(packet[at + 1]);
    };
    question one{"", 0, tcp};
    const std::size_t end = end_of_name(packet, header_octets, &one.name);
    one.name = lower(one.name);
    one.type = number_at(end);
    if (number_at(10) > 0) one.edns_bytes = number_at(end + 7);  // behind the root's name and the type OPT
    questions_.push_back(one);
    return script_(one);
}

std::string name_server::build(const std::string& packet, const reply& what, bool tcp) const {
    const std::size_t question_end = end_of_name(packet, header_octets) + 4;
    const bool cut = what.truncated && !tcp;
    const std::uint32_t flags = 0x8100u | (cut ? 0x0200u : 0u) | (what.authoritative ? 0x0400u : 0u) |
                                (what.recursive ? 0x0080u : 0u) | static_cast<std::uint32_t>(what.rcode);
    std::vector<rr> records = cut ? std::vector<rr>() : what.records;
    const std::size_t answers = records.size();
    records.insert(records.end(), what.authority.begin(), what.authority.end());
    std::string made = packet.substr(0, 2) + number(flags, 2) + number(1, 2);
    made += number(static_cast<std::uint32_t>(answers), 2);
    made += number(static_cast<std::uint32_t>(what.authority.size()), 2) + number(0, 2);
    made += packet.substr(header_octets, question_end - header_octets);
    for (const rr& one : records) {
        made += one.owner.empty() ? std::string("\xc0\x0c", 2) : encoded(one.owner);
        made += number(static_cast<std::uint32_t>(one.type), 2) + number(1, 2) + number(one.ttl, 4);
        made += number(static_cast<std::uint32_t>(one.data.size()), 2) + one.data;
    }
    if (what.spoil) what.spoil(made);
    return made;
}

task<void> name_server::send_all(name_server& me, std::vector<held_packet> all) {
    for (const held_packet& one : all) (void)co_await me.udp_.send_to(as_bytes(std::string_view(one.packet)), one.to);
}

void name_server::release() {
    released_ = true;
    tasks_.spawn(send_all(*this, std::exchange(held_, {})), "name server, held answers");
}

}  // namespace co_wq::net::dns::test
