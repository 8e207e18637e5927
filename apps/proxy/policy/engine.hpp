// engine: who may go where. Two questions, in this order, for everything that is carried, whatever protocol asked:
//
//   admit          before a name is resolved: may this client ask for this at all
//   admit_address  for each address that is about to be dialled, and for a kept connection before it is used again: the
//                  address that was checked is the one that is dialled, so a name that changes its mind gets nothing
//
// For:        HTTP, SOCKS and whoever else dials for a client.
// Requires:   every policy that a listener or a user file names is among the settings.
//             question::user is a name whose password was verified (credentials.hpp), or empty. Texts in a question
//             live as long as the call.
// Guarantees: the first rule that matches decides, and the decision names it. A rule about addresses is open while
//             only a name is known: admit then says by_address, and admit_address decides. The proxy's own
//             listening addresses are refused always, in report mode, too. Nothing is resolved, nothing waits.
//             Datagrams have no way but the direct one: where there is another, they are denied, in report mode, too.
// Threads:    immutable: any.
// Lifetime:   held by shared_ptr; decision::rule is a view into it. A new configuration is a new engine, and whoever is
//             under way keeps the one it began with.
//
//   const question what{.listener = 0, .client = client, .user = "", .method = "CONNECT", .host = host, .port = port};
//   const decision first = rules->admit(what);
//   if (!first.allowed()) return refuse(first.result == outcome::wants_credentials ? 407 : 403, first.text());
//   dns::connect_options dialling;
//   dialling.allow = [&](const io::socket_address& peer) { return rules->admit_address(what, peer).allowed(); };
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "proxy/policy/address_guard.hpp"
#include "proxy/policy/settings.hpp"

namespace co_wq::proxy::policy {

struct question {
    std::uint32_t listener = 0;  // index into settings::listeners
    ip_address client{};
    std::string_view user{};
    std::string_view method{};  // of HTTP as it was sent; "SOCKS" and "UDP" for what SOCKS asks for
    std::string_view host{};  // name or numeric address, without brackets
    std::uint16_t port = 0;
};

enum class outcome : std::uint8_t { allowed, denied, wants_credentials };

// How a destination is reached, if not plainly.
struct route {
    std::string via{};  // a parent or a group of the settings; empty: direct
    io::socket_address egress_ipv4{}, egress_ipv6{};  // family none: the system chooses
    bool plain() const noexcept {
        return via.empty() && egress_ipv4.family() == io::address_family::none &&
               egress_ipv6.family() == io::address_family::none;
    }
};

struct decision {
    outcome result = outcome::allowed;
    bool by_address = false;  // of admit: the addresses of the name decide further
    bool needs_address = false;  // of admit, with by_address: without an address that is allowed, it is denied
    // Of admit: the way there, of the rule that decides so far; null: direct, from any address. Lives as long as the
    // rules.
    const route* way = nullptr;
    bool reported = false;  // allowed in report mode only: rule and reason say what would have denied it
    std::string_view rule{};  // "debian (proxy.toml:12)", "address guard"
    std::string reason{};  // of what is not plainly allowed

    bool allowed() const noexcept { return result == outcome::allowed; }
    std::string text() const { return "by rule " + std::string(rule) + ": " + reason; }
};

class engine {
public:
    // own: the addresses the proxy listens on, as bound: every listener's, an admin listener's, too. Empty: as the
    // settings say.
    explicit engine(settings chosen, std::vector<io::socket_address> own = {});
    engine(const engine&) = delete;
    engine& operator=(const engine&) = delete;

    decision admit(const question& what) const;
    decision admit_address(const question& what, const io::socket_address& peer) const;
    // Before there is a destination (a UDP association): whether any could be allowed. host and port do not count.
    decision admit_client(const question& what) const;
    // Whether a kept connection must be asked about again.
    bool checks_addresses(const question& what) const noexcept;

    bool has_users() const noexcept { return !settings_.users.empty(); }
    // Whether the proxy itself listens there.
    bool is_own(const io::socket_address& peer) const noexcept;
    const settings& chosen() const noexcept { return settings_; }
    // The table that knows this user; nullptr: none does. The first one in order counts.
    const user_table* table_of(std::string_view user) const noexcept;

private:
    struct compiled_rule {
        const rule* from;
        std::string label;
        route goes{};
    };
    struct compiled_policy {
        const policy* from;
        std::vector<compiled_rule> rules;
        address_guard guard;
        bool about_addresses = false;
        bool about_users = false;
        bool some_direct = true;  // a way that datagrams could take
        std::string label, ports_label;
        route goes;
    };
    struct entry {  // of a listener
        std::size_t policy = 0;
        bool loopback = true;
    };
    enum class match : std::uint8_t { no, yes, open };

    void compile();
    std::size_t find_policy(std::string_view name) const noexcept;
    const compiled_policy& policy_of(const question& what) const noexcept;
    bool is_loopback(const question& what) const noexcept;
    bool guarded(const compiled_policy& by, const question& what) const noexcept;
    bool plain(const compiled_policy& by, const question& what) const noexcept;
    bool concerns(const rule& one, const question& what) const;
    match matches(const rule& one, const question& what, const destination& to) const;
    decision judge(const compiled_policy& by, const question& what, const destination& to, const ip_address* at) const;
    decision deny(const compiled_policy& by, std::string_view rule, std::string reason) const;
    route route_of(const wanted_way& first, const wanted_way& second) const;

    settings settings_;
    policy built_in_;
    std::vector<compiled_policy> policies_;  // the last one is built in
    std::vector<entry> entries_;
    std::vector<std::size_t> user_policies_;  // by user file; npos: the listener's
    std::vector<io::socket_address> own_;
};

// Whether everybody from elsewhere would be served: nobody has to be a user, nothing is denied by default or by who the
// client is, or it is only reported. Of a listener that is not loopback, and not open on purpose.
bool serves_everybody(const settings& chosen, const listener& one) noexcept;

}  // namespace co_wq::proxy::policy
