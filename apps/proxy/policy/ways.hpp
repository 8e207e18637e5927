// What an operator may decide about the way to a destination: through which other proxy, and from which address.
//
// Threads:  plain values.
#pragma once

#include <string>
#include <vector>

#include "base/clock.hpp"
#include "io/socket_address.hpp"

namespace co_wq::proxy::policy {

// Where something was said: "proxy.toml:12", or "command line" without a line.
struct origin {
    std::string file = "command line";
    std::uint32_t line = 0;
    std::string text() const { return line == 0 ? file : file + ":" + std::to_string(line); }
};

enum class parent_kind : std::uint8_t { http, https, socks5 };
enum class parent_check : std::uint8_t {
    none,     // only what happens to requests counts
    tcp,      // it takes a connection, and a TLS one if that is how it is spoken to
    connect,  // it opens a tunnel to check_target
};
enum class balance : std::uint8_t { first, round_robin, least_connections, hash };
// Who resolves the names of destinations.
enum class resolving : std::uint8_t {
    automatic,  // here where addresses are checked (the guard, rules about addresses), else the parent
    here,       // the parent gets an address, and none that was not checked
    parent,     // the parent gets the name: it has to guard its networks itself
};

// Another proxy that we reach destinations through.
struct parent {
    std::string name{};
    origin where{};
    parent_kind kind = parent_kind::http;
    std::string host{};  // a name, or an address without brackets
    std::uint16_t port = 0;
    std::string user{}, password{};  // no user: no credentials
    std::uint32_t weight = 1;        // its share, against the others of its group
    resolving resolve = resolving::automatic;
    duration connect_timeout = std::chrono::seconds(3);  // name, TCP and TLS to it
    std::string ca_pem{};       // https: who may have signed its certificate; empty: whom the system trusts
    std::string server_name{};  // https: what its certificate says; empty: the host
    parent_check check = parent_check::tcp;
    std::string check_host{};  // of a connect check
    std::uint16_t check_port = 0;
    duration check_interval = std::chrono::seconds(10);
    duration check_timeout = std::chrono::seconds(3);
    std::uint32_t rise = 2, fall = 3;  // so many good ones in a row take it up, so many bad ones down

    // "https://proxy.example:3128", without credentials.
    std::string text() const {
        const char* scheme = kind == parent_kind::http ? "http" : kind == parent_kind::https ? "https" : "socks5";
        const bool v6 = host.find(':') != host.npos;
        return std::string(scheme) + "://" + (v6 ? "[" : "") + host + (v6 ? "]:" : ":") + std::to_string(port);
    }
};

// Several of them, of which one is chosen for each connection, and another one if that fails.
struct parent_group {
    std::string name{};
    origin where{};
    std::vector<std::string> parents{};  // by name
    policy::balance balance = policy::balance::first;
    bool direct_when_down = false;  // without any that is up: go without them; else 503
};

// What a rule, a policy or the file says. What is empty is said by the next one of these three.
struct wanted_way {
    std::string via{};  // a parent or a group; "direct"
    io::socket_address egress_ipv4{}, egress_ipv6{};  // where connections come from; port 0
    bool has_egress() const noexcept {
        return egress_ipv4.family() != io::address_family::none || egress_ipv6.family() != io::address_family::none;
    }
};

inline constexpr std::string_view direct = "direct";

}  // namespace co_wq::proxy::policy
