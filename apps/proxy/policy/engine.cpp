#include "proxy/policy/engine.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.hpp"
#include "io/reactor.hpp"
#include "proxy/policy/user_table.hpp"

namespace co_wq::proxy::policy {
namespace {

constexpr std::size_t nowhere = static_cast<std::size_t>(-1);
constexpr port_range web_ports[] = {{443, 443}, {80, 80}};
constexpr std::string_view own_address_rule = "own address (built in)";
constexpr std::string_view request_rule = "destination (built in)";
constexpr std::string_view guard_rule = "address guard (built in)";
constexpr std::string_view credentials_rule = "credentials (built in)";

bool is_tunnel(std::string_view method) noexcept { return method == "CONNECT" || method == "SOCKS" || method == "UDP"; }

template <class Ranges>
bool has_port(const Ranges& ranges, std::uint16_t port) noexcept {
    return std::any_of(std::begin(ranges), std::end(ranges),
                       [&](const port_range& each) { return port >= each.first && port <= each.last; });
}

bool has_address(const std::vector<cidr>& ranges, const ip_address& one) noexcept {
    return std::any_of(ranges.begin(), ranges.end(), [&](const cidr& each) { return each.contains(one); });
}

bool has_word(const std::vector<std::string>& words, std::string_view one) noexcept {
    return std::find(words.begin(), words.end(), one) != words.end();
}

bool has_user(const std::vector<std::string>& users, std::string_view one) noexcept {
    return !one.empty() && (has_word(users, "*") || has_word(users, one));
}

// Asked only for the port of a listener on all addresses. What the system will not say counts as ours.
bool is_local(io::socket_address where) noexcept {
    io::socket_calls& calls = io::system_calls();
    const result<io::native_handle> probe = calls.open_datagram(where.family());
    if (!probe) return true;
    where.set_port(0);
    const result<void> bound = calls.bind_datagram(*probe, where, false);
    calls.close(*probe);
    return bound || bound.error() != errc::address_not_available;
}

// Where the system would connect to: an IPv4 address in IPv6 spelling is one, and "this host" is loopback.
io::socket_address as_connected(const io::socket_address& peer) noexcept {
    const ip_address one = ip_address::from(peer);
    const std::array<std::uint8_t, 16> nothing{};
    if (one.family == io::address_family::ipv4) {
        if (one.octets == nothing) return io::socket_address::loopback(peer.port());
        return io::socket_address::ipv4({one.octets[0], one.octets[1], one.octets[2], one.octets[3]}, peer.port());
    }
    if (one.octets != nothing) return peer;
    std::array<std::uint8_t, 16> loopback{};
    loopback[15] = 1;
    return io::socket_address::ipv6(loopback, peer.port());
}

}  // namespace

engine::engine(settings chosen, std::vector<io::socket_address> own)
    : settings_(std::move(chosen)), own_(std::move(own)) {
    if (own_.empty())
        for (const listener& each : settings_.listeners) own_.push_back(each.where);
    for (policy& each : settings_.policies) {
        if (!settings_.sandbox) continue;
        each.otherwise = action::deny;
        each.guard = true;
    }
    built_in_.name = "built in";  // its way is the settings' own
    if (settings_.sandbox) {
        built_in_.otherwise = action::deny;
        built_in_.guard = true;
    }
    compile();
}

// What the first of these three has: a rule or policy, its policy, the settings.
route engine::route_of(const wanted_way& first, const wanted_way& second) const {
    route made;
    const wanted_way* const all[] = {&first, &second, &settings_.way};
    for (const wanted_way* each : all) {
        if (made.via.empty()) made.via = each->via;
        if (made.egress_ipv4.family() != io::address_family::none ||
            made.egress_ipv6.family() != io::address_family::none || !each->has_egress())
            continue;
        made.egress_ipv4 = each->egress_ipv4;
        made.egress_ipv6 = each->egress_ipv6;
    }
    if (made.via == direct) made.via.clear();
    return made;
}

void engine::compile() {
    const auto add = [&](const policy& one) {
        compiled_policy& made = policies_.emplace_back();
        made.from = &one;
        made.guard = address_guard(one.allow_addresses);
        made.label = fmt::format("default of policy \"{}\"", one.name);
        made.ports_label = fmt::format("connect_ports of policy \"{}\"", one.name);
        if (&one != &built_in_) {
            made.label += fmt::format(" ({})", one.where.text());
            made.ports_label += fmt::format(" ({})", one.where.text());
        }
        made.goes = route_of(one.way, {});
        std::size_t number = 0;
        for (const rule& each : one.rules) {
            const std::string name = each.name.empty() ? fmt::format("rule {}", ++number) : (++number, each.name);
            made.rules.push_back({&each, fmt::format("{} ({})", name, each.where.text()), route_of(each.way, one.way)});
            made.about_addresses |= !each.addresses.empty();
            made.about_users |= !each.users.empty();
        }
        made.some_direct = made.goes.plain() || std::any_of(made.rules.begin(), made.rules.end(), [](const auto& each) {
                               return each.from->then == action::allow && each.goes.plain();
                           });
    };
    policies_.reserve(settings_.policies.size() + 1);
    for (const policy& each : settings_.policies) add(each);
    add(built_in_);
    for (const listener& each : settings_.listeners) {
        const std::size_t found = find_policy(each.policy.empty() ? "default" : each.policy);
        CO_WQ_REQUIRE(found != nowhere || each.policy.empty(), "a listener's policy is one of the settings");
        entries_.push_back({found == nowhere ? policies_.size() - 1 : found, each.loopback()});
    }
    for (const user_file& each : settings_.users) {
        user_policies_.push_back(each.policy.empty() ? nowhere : find_policy(each.policy));
        CO_WQ_REQUIRE(user_policies_.back() != nowhere || each.policy.empty(), "users' policy is one of the settings");
    }
}

std::size_t engine::find_policy(std::string_view name) const noexcept {
    for (std::size_t at = 0; at < settings_.policies.size(); ++at)
        if (settings_.policies[at].name == name) return at;
    return nowhere;
}

const user_table* engine::table_of(std::string_view user) const noexcept {
    for (const user_file& each : settings_.users)
        if (each.table && each.table->find(user)) return each.table.get();
    return nullptr;
}

const engine::compiled_policy& engine::policy_of(const question& what) const noexcept {
    if (!what.user.empty())
        for (std::size_t at = 0; at < settings_.users.size(); ++at) {
            const user_file& each = settings_.users[at];
            if (!each.table || !each.table->find(what.user)) continue;
            if (user_policies_[at] != nowhere) return policies_[user_policies_[at]];
            break;
        }
    if (what.listener < entries_.size()) return policies_[entries_[what.listener].policy];
    return policies_.back();
}

bool engine::is_loopback(const question& what) const noexcept {
    return what.listener < entries_.size() ? entries_[what.listener].loopback : settings_.listeners.empty();
}

bool engine::guarded(const compiled_policy& by, const question& what) const noexcept {
    return by.from->guard.value_or(!is_loopback(what));
}

// This machine's own user, who was given no rules.
bool engine::plain(const compiled_policy& by, const question& what) const noexcept {
    return by.from == &built_in_ && !settings_.sandbox && settings_.users.empty() && is_loopback(what);
}

bool engine::checks_addresses(const question& what) const noexcept {
    const compiled_policy& by = policy_of(what);
    return by.about_addresses || guarded(by, what);
}

engine::match engine::matches(const rule& one, const question& what, const destination& to) const {
    if (!one.ports.empty() && !has_port(one.ports, what.port)) return match::no;
    if (!one.methods.empty() && !has_word(one.methods, what.method)) return match::no;
    if (!one.users.empty() && !has_user(one.users, what.user)) return match::no;
    if (!one.clients.empty() && !has_address(one.clients, what.client)) return match::no;
    if (!one.listeners.empty() && !(what.listener < settings_.listeners.size() &&
                                    has_word(one.listeners, settings_.listeners[what.listener].name)))
        return match::no;
    if (one.hosts.empty() && one.addresses.empty()) return match::yes;
    if (to.what == destination::kind::name && one.hosts.has(to.name)) return match::yes;
    if (one.addresses.empty()) return match::no;
    if (!to.address.known()) return match::open;
    return has_address(one.addresses, to.address) ? match::yes : match::no;
}

decision engine::deny(const compiled_policy& by, std::string_view rule, std::string reason) const {
    decision made{.result = outcome::denied, .rule = rule, .reason = std::move(reason)};
    if (by.from->report) {
        made.result = outcome::allowed;
        made.reported = true;
        made.way = by.goes.plain() ? nullptr : &by.goes;
    }
    return made;
}

namespace {

decision no_datagrams(std::string_view rule) {
    return {.result = outcome::denied,
            .rule = rule,
            .reason = "datagrams do not go through parents (via) nor from an egress address"};
}

// Whatever the rules say, in report mode, too: what would leave by another way than was said does not leave.
decision settled(const question& what, decision made) {
    if (what.method == "UDP" && made.allowed() && made.way) return no_datagrams(made.rule);
    return made;
}

}  // namespace

// at: the address that is about to be dialled; nullptr: it is not known yet.
decision engine::judge(const compiled_policy& by, const question& what, const destination& to,
                       const ip_address* at) const {
    action then = by.from->otherwise;
    std::string_view label = by.label;
    const route* way = &by.goes;
    bool allow_open = false, deny_open = false;
    for (const compiled_rule& each : by.rules) {
        const match found = matches(*each.from, what, to);
        if (found == match::open) (each.from->then == action::allow ? allow_open : deny_open) = true;
        if (found != match::yes) continue;
        then = each.from->then;
        label = each.label;
        way = &each.goes;
        break;
    }
    const bool by_address = then == action::allow ? deny_open : allow_open;
    if (then == action::deny && !by_address) {
        if (what.user.empty() && by.about_users && has_users() && !by.from->report)
            return {.result = outcome::wants_credentials, .rule = label, .reason = "known users may be allowed more"};
        return deny(by, label, fmt::format("{}:{} is not allowed", what.host, what.port));
    }
    if (at && guarded(by, what))
        if (const special_range* special = by.guard.refuses(*at))
            return deny(by, guard_rule,
                        fmt::format("{} is in {} ({}, {}); allow_addresses would open it", at->text(), special->text,
                                    special->name, special->source));
    return {.by_address = by_address || (!at && guarded(by, what)),
            .needs_address = by_address && then == action::deny && !by.from->report,
            .way = way->plain() ? nullptr : way,
            .rule = label};
}

// A rule of the destination's is none of the client's.
bool engine::concerns(const rule& one, const question& what) const {
    rule client = one;
    client.hosts = {};
    client.addresses.clear();
    client.ports.clear();
    return matches(client, what, {}) == match::yes;
}

decision engine::admit_client(const question& what) const {
    const compiled_policy& by = policy_of(what);
    if (what.method == "UDP" && !by.some_direct) return no_datagrams(by.label);
    if (plain(by, what) || by.from->report) return {.rule = by.label};
    if (what.user.empty() && by.from->require_user.value_or(has_users()))
        return {.result = outcome::wants_credentials, .rule = credentials_rule, .reason = "a user is required"};
    if (by.from->otherwise == action::allow) return {.rule = by.label};
    for (const compiled_rule& each : by.rules)
        if (each.from->then == action::allow && concerns(*each.from, what)) return {.rule = each.label};
    return deny(by, by.label, "nothing is allowed to this client");
}

decision engine::admit(const question& what) const {
    const compiled_policy& by = policy_of(what);
    const route* const way = by.goes.plain() ? nullptr : &by.goes;
    if (plain(by, what)) return settled(what, {.way = way, .rule = by.label});
    const destination to = destination::from(what.host);
    if (to.what == destination::kind::bad || what.port == 0)
        return {.result = outcome::denied, .rule = request_rule, .reason = "neither a host name nor an address"};
    if (what.user.empty() && by.from->require_user.value_or(has_users()))
        return {.result = outcome::wants_credentials, .rule = credentials_rule, .reason = "a user is required"};
    if (is_tunnel(what.method)) {
        const auto& ports = by.from->connect_ports;
        if (!(ports.empty() ? has_port(web_ports, what.port) : has_port(ports, what.port)))
            return settled(
                what, deny(by, by.ports_label,
                           fmt::format("tunnels to port {} are not allowed; connect_ports would open it", what.port)));
    }
    return settled(what, judge(by, what, to, to.what == destination::kind::address ? &to.address : nullptr));
}

decision engine::admit_address(const question& what, const io::socket_address& peer) const {
    if (is_own(peer))
        return {.result = outcome::denied, .rule = own_address_rule, .reason = "the proxy itself listens there"};
    const compiled_policy& by = policy_of(what);
    if (plain(by, what)) return settled(what, {.way = by.goes.plain() ? nullptr : &by.goes, .rule = by.label});
    destination to = destination::from(what.host);
    to.address = ip_address::from(peer);
    decision made = settled(what, judge(by, what, to, &to.address));
    made.by_address = false;
    return made;
}

bool engine::is_own(const io::socket_address& peer) const noexcept {
    bool everywhere = false;
    const io::socket_address there = as_connected(peer);
    const ip_address asked = ip_address::from(there);
    for (const io::socket_address& each : own_) {
        if (each.port() != there.port()) continue;
        if (ip_address::from(each) == asked) return true;
        everywhere |= each.is_any() && (each.family() == there.family() || each.family() == io::address_family::ipv6);
    }
    return everywhere && is_local(there);
}

namespace {

// By who asks, and not by where to.
bool denies_somebody(const rule& one) noexcept {
    return one.then == action::deny && one.hosts.empty() && one.addresses.empty() && one.ports.empty() &&
           one.methods.empty();
}

}  // namespace

bool serves_everybody(const settings& chosen, const listener& one) noexcept {
    if (one.loopback() || one.open || one.tls.knows_clients()) return false;
    const std::string_view wanted = one.policy.empty() ? std::string_view("default") : std::string_view(one.policy);
    for (const policy& each : chosen.policies) {
        if (each.name != wanted) continue;
        if (each.require_user.value_or(!chosen.users.empty())) return false;
        if (each.report) return true;
        return !chosen.sandbox && each.otherwise == action::allow &&
               std::none_of(each.rules.begin(), each.rules.end(), denies_somebody);
    }
    return chosen.users.empty() && !chosen.sandbox;
}

}  // namespace co_wq::proxy::policy
