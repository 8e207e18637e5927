#include "name_server.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>

#include "task/yield.hpp"

namespace co_wq::net::dns::test {
namespace {

std::string number(std::uint32_t value, int octets) {
    std::string out;
    for (int shift = (octets - 1) * 8; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xff);
    return out;
}

std::string encoded(const std::string& name) {
    std::string out;
    for (std::size_t at = 0; at < name.size();) {
        const std::size_t dot = std::min(name.find('.', at), name.size());
        out += static_cast<char>(dot - at);
        out += name.substr(at, dot - at);
        at = dot + 1;
    }
    return out + '\0';
}

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

rr a(const std::string& address, std::uint32_t ttl, std::string owner) {
    return address_record(type_a, address, ttl, std::move(owner));
}
rr aaaa(const std::string& address, std::uint32_t ttl, std::string owner) {
    return address_record(type_aaaa, address, ttl, std::move(owner));
}
rr cname(const std::string& target, std::uint32_t ttl, std::string owner) {
    return {std::move(owner), type_cname, ttl, encoded(target)};
}

name_server::name_server(io::event_loop& loop) : loop_(loop), tasks_(loop) {
    script_ = [](const question&) { return reply{}; };
    open();
    tasks_.spawn(serve_udp(*this), "name server, UDP");
    tasks_.spawn(serve_tcp(*this), "name server, TCP");
}

// Both transports have one port; the system chooses it, and again if TCP's is taken.
void name_server::open() {
    for (int attempt = 0; attempt < 100; ++attempt) {
        const int handle = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        sockaddr_in where{};
        where.sin_family = AF_INET;
        where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        ASSERT_EQ(::bind(handle, reinterpret_cast<sockaddr*>(&where), sizeof where), 0);
        udp_ = io::socket(loop_, handle, io::descriptor_kind::datagram);
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
    while (asked() < count) co_await yield();
}

task<void> name_server::serve_udp(name_server& me) {
    for (;;) {
        const result<void> ready = co_await me.udp_.ready(io::direction::read);
        if (!ready) co_return;
        char packet[2048];
        sockaddr_storage from{};
        socklen_t length = sizeof from;
        const ssize_t got =
            ::recvfrom(me.udp_.handle(), packet, sizeof packet, 0, reinterpret_cast<sockaddr*>(&from), &length);
        if (got <= static_cast<ssize_t>(header_octets)) continue;
        const std::string asked(packet, static_cast<std::size_t>(got));
        const std::string to(reinterpret_cast<char*>(&from), length);
        const reply what = me.ask(asked, false);
        if (what.silent) continue;
        const std::string made = me.build(asked, what, false);
        if (what.held && !me.released_) {
            me.held_.push_back({made, to});
            continue;
        }
        for (int i = 0; i < what.copies; ++i) me.send(made, to);
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
    question one{"", 0, tcp};
    const std::size_t end = end_of_name(packet, header_octets, &one.name);
    one.name = lower(one.name);
    if (end + 2 <= packet.size()) one.type = static_cast<unsigned char>(packet[end + 1]);
    questions_.push_back(one);
    return script_(one);
}

std::string name_server::build(const std::string& packet, const reply& what, bool tcp) const {
    const std::size_t question_end = end_of_name(packet, header_octets) + 4;
    const bool cut = what.truncated && !tcp;
    const std::uint32_t flags = 0x8180u | (cut ? 0x0200u : 0u) | static_cast<std::uint32_t>(what.rcode);
    const std::size_t records = cut ? 0 : what.records.size();
    std::string made = packet.substr(0, 2) + number(flags, 2) + number(1, 2);
    made += number(static_cast<std::uint32_t>(records), 2) + number(0, 4);
    made += packet.substr(header_octets, question_end - header_octets);
    for (std::size_t i = 0; i < records; ++i) {
        const rr& one = what.records[i];
        made += one.owner.empty() ? std::string("\xc0\x0c", 2) : encoded(one.owner);
        made += number(static_cast<std::uint32_t>(one.type), 2) + number(1, 2) + number(one.ttl, 4);
        made += number(static_cast<std::uint32_t>(one.data.size()), 2) + one.data;
    }
    if (what.spoil) what.spoil(made);
    return made;
}

void name_server::send(const std::string& packet, const std::string& to) const {
    (void)::sendto(udp_.handle(), packet.data(), packet.size(), 0, reinterpret_cast<const sockaddr*>(to.data()),
                   static_cast<socklen_t>(to.size()));
}

void name_server::release() {
    released_ = true;
    for (const held_packet& one : held_) send(one.packet, one.to);
    held_.clear();
}

}  // namespace co_wq::net::dns::test
