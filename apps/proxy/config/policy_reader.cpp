#include "proxy/config/policy_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "proxy/config/config_file.hpp"
#include "proxy/config/parent_reader.hpp"
#include "proxy/config/units.hpp"
#include "proxy/policy/engine.hpp"
#include "proxy/policy/user_table.hpp"
#include "proxy/tls_doors.hpp"

namespace co_wq::proxy::config {
namespace {

using policy::action;

constexpr std::array<std::string_view, 2> actions{"allow", "deny"};
constexpr std::array<std::string_view, 2> tls_versions{"1.2", "1.3"};

void read_action(table_reader& from, std::string_view key, action& out) {
    std::string word = out == action::allow ? "allow" : "deny";
    from.word(key, actions, word);
    out = word == "allow" ? action::allow : action::deny;
}

// A host, a suffix or an address range.
std::string add_destination(policy::rule& to, std::string_view given) {
    const bool address = given.find('/') != given.npos || policy::ip_address::parse(given).has_value();
    if (address && given.find("://") == given.npos) {
        const auto range = policy::parse_cidr(given);
        if (!range) return range.error();
        to.addresses.push_back(*range);
        return {};
    }
    const auto added = to.hosts.add(given);
    return added ? std::string() : added.error();
}

std::string wrong_with_method(std::string_view given) {
    const auto upper = [](char c) { return (c >= 'A' && c <= 'Z') || c == '-'; };
    if (!given.empty() && std::all_of(given.begin(), given.end(), upper)) return {};
    return "methods are written in capitals: [\"GET\", \"CONNECT\", \"SOCKS\", \"UDP\"]";
}

void read_rule(table_reader& from, policy::policy& into) {
    policy::rule one;
    one.where = from.file().origin_of(from.where());
    from.text("name", one.name);
    if (!from.has("action"))
        from.file().complain(from.where(), "a rule without action: write action = \"allow\" or \"deny\"");
    read_action(from, "action", one.then);
    from.texts("to", [&](std::string_view given) { return add_destination(one, given); });
    from.ports("ports", one.ports);
    from.texts("methods", [&](std::string_view given) {
        one.methods.emplace_back(given);
        return wrong_with_method(given);
    });
    const auto keep = [](std::vector<std::string>& in) {
        return [&in](std::string_view given) {
            in.emplace_back(given);
            return std::string();
        };
    };
    from.texts("users", keep(one.users));
    from.ranges("clients", one.clients);
    from.texts("listeners", keep(one.listeners));
    read_way(from, one.way);
    into.rules.push_back(std::move(one));
}

void read_policy(table_reader& from, policy::settings& out) {
    policy::policy one;
    one.where = from.file().origin_of(from.where());
    from.text("name", one.name);
    if (one.name.empty()) from.file().complain(from.where(), "a policy without name: write name = \"default\"");
    for (const policy::policy& other : out.policies)
        if (!one.name.empty() && other.name == one.name)
            from.complain("name", fmt::format("the policy of {} has this name already", other.where.text()));
    read_action(from, "default", one.otherwise);
    from.flag("guard", one.guard);
    from.ranges("allow_addresses", one.allow_addresses);
    from.ports("connect_ports", one.connect_ports);
    from.flag("report", one.report);
    from.flag("require_user", one.require_user);
    read_way(from, one.way);
    from.tables("rules", [&](table_reader& rule) { read_rule(rule, one); });
    out.policies.push_back(std::move(one));
}

// The files are read and checked when everything else about the listener is known: it is named in what is wrong.
void read_tls_files(table_reader& from, policy::listener& into) {
    policy::tls_files& files = into.tls;
    files.where = from.file().origin_of(from.where());
    const auto path = [&from](std::string_view key, std::string& file) {
        from.text(key, file);
        if (!file.empty()) file = from.file().path(file);
    };
    path("certificate", files.certificate);
    path("key", files.key);
    path("client_ca", files.client_ca);
    from.flag("client_optional", files.client_optional);
    std::string minimum = "1.2";
    from.word("minimum", tls_versions, minimum);
    files.only_1_3 = minimum == "1.3";
    if (files.certificate.empty())
        return from.file().complain(from.where(), "TLS without a certificate: write certificate = \"proxy.pem\"");
    if (files.client_optional && files.client_ca.empty())
        from.complain("client_optional", "no client certificate is asked for: write client_ca = \"clients.pem\"");
    if (const tls_read read = read_tls(into); read.problem) from.complain(read.problem->key, read.problem->what);
}

void read_listener(table_reader& from, policy::settings& out) {
    policy::listener one;
    one.from = from.file().origin_of(from.where());
    std::string address = "127.0.0.1";
    std::uint16_t port = 18100;
    from.text("name", one.name);
    if (one.name.empty()) one.name = fmt::format("listener {}", out.listeners.size() + 1);
    from.text("address", address);
    from.number("port", 0, 65535, [&](std::uint64_t given) { port = static_cast<std::uint16_t>(given); });
    from.text("policy", one.policy);
    from.flag("open", one.open);
    from.table("tls", [&](table_reader& tls) { read_tls_files(tls, one); });
    const result<io::socket_address> where = io::socket_address::parse(address, port);
    if (!where) from.complain("address", "not a numeric address: write \"127.0.0.1\", \"0.0.0.0\" or \"::1\"");
    one.where = where.value_or(io::socket_address::loopback(port));
    for (const policy::listener& other : out.listeners) {
        if (other.name == one.name)
            from.complain("name", fmt::format("the listener of {} has this name already", other.from.text()));
        if (port != 0 && other.where == one.where)
            from.complain("port",
                          fmt::format("the listener of {} has this address and port already", other.from.text()));
    }
    out.listeners.push_back(std::move(one));
}

void read_users(table_reader& from, policy::settings& out) {
    policy::user_file one;
    one.where = from.file().origin_of(from.where());
    std::string path;
    from.text("file", path);
    from.text("policy", one.policy);
    if (path.empty()) {
        from.file().complain(from.where(), "users without a file: write file = \"users.htpasswd\"");
    } else {
        problems found;
        one.table = load_users(from.file().path(path), found);
        for (problem& each : found) {
            // what concerns the file as a whole is told where it is named
            if (each.line == 0) from.complain("file", each.file + ": " + each.what);
            if (each.line != 0) from.file().wrong.push_back(std::move(each));
        }
    }
    out.users.push_back(std::move(one));
}

// What one part of the file calls another.
class name_check {
public:
    name_check(table_reader& file, const policy::settings& chosen) : file_(file), chosen_(chosen) {
        for (const policy::policy& each : chosen.policies) policies_.push_back(each.name);
        for (const policy::listener& each : chosen.listeners) listeners_.push_back(each.name);
    }

    void run() {
        for (const policy::listener& each : chosen_.listeners) check_policy(each.policy, each.from);
        for (const policy::user_file& each : chosen_.users) check_policy(each.policy, each.where);
        for (const policy::policy& each : chosen_.policies)
            for (const policy::rule& one : each.rules) check_rule(one);
        for (const policy::policy& each : chosen_.policies)
            if (each.require_user.value_or(false) && !has_users())
                complain(each.where, "require_user without users: nobody could get in; add [[users]]");
        for (const policy::listener& each : chosen_.listeners)
            if (policy::serves_everybody(chosen_, each))
                complain(each.from,
                         "this address is reachable by others and would serve everybody: add users "
                         "or default = \"deny\", or write open = true if that is wanted");
    }

private:
    void complain(const policy::origin& where, std::string what) {
        file_.file().wrong.push_back({where.file, where.line, 1, std::move(what)});
    }
    void unknown(const policy::origin& where, std::string_view kind, std::string_view name,
                 const std::vector<std::string_view>& known) {
        std::string what = fmt::format("there is no {} \"{}\"", kind, name);
        if (const auto near = nearest(name, known)) {
            what += fmt::format(": did you mean \"{}\"?", *near);
        } else if (known.empty()) {
            what += fmt::format(": there is no {} at all", kind);
        } else {
            what += fmt::format(": known are {}", fmt::join(known, ", "));
        }
        complain(where, std::move(what));
    }
    void check_policy(std::string_view name, const policy::origin& where) {
        if (name.empty() || std::find(policies_.begin(), policies_.end(), name) != policies_.end()) return;
        unknown(where, "policy", name, policies_);
    }
    void check_rule(const policy::rule& one) {
        for (const std::string& each : one.listeners)
            if (std::find(listeners_.begin(), listeners_.end(), each) == listeners_.end())
                unknown(one.where, "listener", each, listeners_);
        if (!one.users.empty() && !has_users())
            complain(one.where, "a rule about users, but there are none: add [[users]]");
        for (const std::string& each : one.users)
            if (each != "*" && !chosen_.users.empty() && !certificates_name_users() && !known(each))
                complain(one.where, fmt::format("no user file knows the user \"{}\"", each));
    }
    bool certificates_name_users() const {
        return std::any_of(chosen_.listeners.begin(), chosen_.listeners.end(),
                           [](const policy::listener& each) { return !each.tls.client_ca.empty(); });
    }
    bool has_users() const { return !chosen_.users.empty() || certificates_name_users(); }
    bool known(const std::string& user) const {
        return std::any_of(chosen_.users.begin(), chosen_.users.end(),
                           [&](const policy::user_file& each) { return !each.table || each.table->find(user); });
    }

    table_reader& file_;
    const policy::settings& chosen_;
    std::vector<std::string_view> policies_, listeners_;
};

}  // namespace

void read_policies(table_reader& file, policy::settings& out) {
    file.flag("sandbox", out.sandbox);
    read_parents(file, out);
    read_way(file, out.way);
    file.tables("policies", [&](table_reader& one) { read_policy(one, out); });
    file.tables("users", [&](table_reader& one) { read_users(one, out); });
    file.tables("listeners", [&](table_reader& one) { read_listener(one, out); });
    name_check(file, out).run();
    check_ways(file, out);
}

}  // namespace co_wq::proxy::config
