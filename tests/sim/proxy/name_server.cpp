// A name server in a few lines: http.test, echo.test and the like are where the origins are; some names do not exist,
// some servers fail or say nothing (RFC 1035, section 4).
#include "sim/proxy/world.hpp"

namespace co_wq::sim::proxy {
namespace {

struct answer {
    unsigned code = 3;                     // no such name
    std::vector<std::string> addresses{};  // as octets
    bool silent = false;
};

std::string octets(std::initializer_list<int> values) {
    std::string out;
    for (const int one : values) out += static_cast<char>(one);
    return out;
}

answer answer_to(std::string_view name, unsigned type) {
    const bool ipv4 = type == 1;
    if (name == "http.test") return {0, ipv4 ? std::vector{octets({10, 0, 0, 1})} : std::vector<std::string>{}};
    // two addresses, of which the first refuses, and an IPv6 address nobody has
    if (name == "twin.test")
        return {0, ipv4 ? std::vector{octets({10, 0, 0, 9}), octets({10, 0, 0, 1})}
                        : std::vector{octets({0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7})}};
    if (name == "echo.test") return {0, ipv4 ? std::vector{octets({10, 0, 0, 2})} : std::vector<std::string>{}};
    if (name == "fails.test") return {2, {}};
    if (name == "mute.test") return {.silent = true};
    return {};
}

void put16(std::string& out, unsigned value) {
    out += static_cast<char>(value >> 8);
    out += static_cast<char>(value);
}

// Empty: no answer is given.
std::string reply_to(std::string_view query) {
    if (query.size() < 17) return {};
    std::string name;
    std::size_t at = 12;
    while (at < query.size() && query[at] != 0) {
        const auto length = static_cast<std::size_t>(static_cast<unsigned char>(query[at]));
        if (!name.empty()) name += '.';
        name += query.substr(at + 1, length);
        at += length + 1;
    }
    const std::size_t end = at + 5;
    if (end > query.size()) return {};
    const auto type = static_cast<unsigned>(static_cast<unsigned char>(query[at + 2]));
    const answer found = answer_to(name, type);
    if (found.silent) return {};
    std::string out(query.substr(0, 2));
    put16(out, 0x8180 | found.code);
    put16(out, 1);
    put16(out, static_cast<unsigned>(found.addresses.size()));
    put16(out, 0);
    put16(out, 0);
    out += query.substr(12, end - 12);
    for (const std::string& one : found.addresses) {
        put16(out, 0xc00c);
        put16(out, type);
        put16(out, 1);
        put16(out, 0);
        put16(out, 2);  // a TTL that runs out within a run
        put16(out, static_cast<unsigned>(one.size()));
        out += one;
    }
    return out;
}

}  // namespace

void start_name_server(world& where) {
    const io::socket_address here = io::socket_address::loopback(53);
    io::sim_network& network = where.drive.network();
    network.serve_datagrams(here, [&network, here](const io::socket_address& from, std::string_view query) {
        std::string reply = reply_to(query);
        if (!reply.empty()) network.send_datagram(here, from, std::move(reply));
    });
}

}  // namespace co_wq::sim::proxy
