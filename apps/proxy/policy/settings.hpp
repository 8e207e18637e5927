// What an operator may decide, as plain data: the config file and the command line fill it, the engine obeys it.
//
// Threads:  plain values.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proxy/policy/host_set.hpp"
#include "proxy/policy/ip_address.hpp"
#include "proxy/policy/ways.hpp"

namespace co_wq::proxy::upstream {
class parent_set;
}

namespace co_wq::proxy::policy {

class user_table;

enum class action : std::uint8_t { deny, allow };

struct port_range {
    std::uint16_t first = 1;
    std::uint16_t last = 65535;  // included
};

// One rule. It matches when every condition that is not empty does.
struct rule {
    std::string name{};
    origin where{};
    action then = action::deny;
    host_set hosts{};               // hosts and addresses together are the destinations: one of them must match
    std::vector<cidr> addresses{};  // of the destination, after resolution
    std::vector<port_range> ports{};
    std::vector<std::string> methods{};    // "GET", "CONNECT", "SOCKS", "UDP"
    std::vector<std::string> users{};      // "*": whoever is known
    std::vector<cidr> clients{};
    std::vector<std::string> listeners{};  // by name
    wanted_way way{};  // of what it allows
};

struct policy {
    std::string name{};
    origin where{};
    action otherwise = action::allow;  // when no rule matches
    // Whether addresses that are not global unicast are refused; empty: on every listener that is not loopback.
    std::optional<bool> guard{};
    std::vector<cidr> allow_addresses{};  // exceptions of the guard
    // Where tunnels (CONNECT, SOCKS, UDP) may lead; empty: 443 and 80.
    std::vector<port_range> connect_ports{};
    bool report = false;                // only logs what would be denied
    std::optional<bool> require_user{};  // empty: when there are users
    std::vector<rule> rules{};          // the first that matches decides
    wanted_way way{};                  // of what no rule has a way for
};

// A listener's TLS, by its files; see net/tls/server_context.hpp.
struct tls_files {
    std::string certificate{};  // PEM: its own and its issuers'; empty: the listener speaks no TLS
    std::string key{};          // PEM; empty: it stands in the certificate's file
    std::string client_ca{};    // PEM: who signs the certificates of clients; empty: none is asked for
    bool client_optional = false;  // a client may show none, and is nobody that is known then
    bool only_1_3 = false;
    origin where{};

    bool used() const noexcept { return !certificate.empty(); }
    // Nobody gets in without a certificate.
    bool knows_clients() const noexcept { return !client_ca.empty() && !client_optional; }
};

struct listener {
    std::string name{};
    io::socket_address where{};
    std::string policy{};  // by name; empty: the policy "default", if there is one
    bool open = false;     // may serve others than this machine without rules
    // Others say who its clients are (PROXY protocol): it is as public as they are, wherever it listens.
    bool introduced = false;
    bool loopback() const noexcept { return where.is_loopback() && !introduced; }
    tls_files tls{};
    origin from{};
};

struct user_file {
    std::shared_ptr<const user_table> table{};
    std::string policy{};  // of its users, by name; empty: the listener's
    origin where{};
};

struct settings {
    std::vector<policy> policies{};
    std::vector<listener> listeners{};
    std::vector<user_file> users{};
    std::vector<parent> parents{};
    std::vector<parent_group> parent_groups{};
    wanted_way way{};  // of what no policy has a way for
    // The parents as they are now, for whoever dials; null: there are none.
    std::shared_ptr<upstream::parent_set> live_parents{};
    bool sandbox = false;  // every policy denies by default and has its guard on
};

}  // namespace co_wq::proxy::policy
