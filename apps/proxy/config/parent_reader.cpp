#include "proxy/config/parent_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "http/target.hpp"
#include "net/tls/trust.hpp"
#include "proxy/config/config_file.hpp"
#include "proxy/config/parent_url.hpp"
#include "proxy/config/units.hpp"

namespace co_wq::proxy::config {
namespace {

constexpr std::array<std::string_view, 3> resolvings{"automatic", "here", "parent"}, checks{"none", "tcp", "connect"};
constexpr std::array<std::string_view, 4> balances{"first", "round_robin", "least_connections", "hash"};
constexpr std::array<std::string_view, 2> when_down{"fail", "direct"};
constexpr std::size_t parents_max = 256;

template <class Enum, std::size_t N>
void read_word(table_reader& from, std::string_view key, const std::array<std::string_view, N>& words, Enum& out) {
    std::string given(words[static_cast<std::size_t>(out)]);
    from.word(key, words, given);
    out = static_cast<Enum>(std::find(words.begin(), words.end(), given) - words.begin());
}

// Names stand in metrics and records.
std::string wrong_with_name(std::string_view name) {
    const auto good = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
               c == '.';
    };
    if (name.empty()) return "has no name: write name = \"...\"";
    if (name == policy::direct) return "\"direct\" means no parent: choose another name";
    if (name.size() > 64 || !std::all_of(name.begin(), name.end(), good))
        return "a name has at most 64 letters, digits, \"-\", \"_\" and \".\"";
    return {};
}

void check_name(table_reader& from, const std::string& name, const policy::settings& out) {
    if (const std::string wrong = wrong_with_name(name); !wrong.empty()) return from.complain("name", wrong);
    for (const policy::parent& each : out.parents)
        if (each.name == name)
            return from.complain("name", fmt::format("the parent of {} has this name already", each.where.text()));
    for (const policy::parent_group& each : out.parent_groups)
        if (each.name == name)
            return from.complain("name", fmt::format("the group of {} has this name already", each.where.text()));
}

void read_credentials(table_reader& from, policy::parent& one) {
    from.text("user", one.user);
    std::string file;
    from.text("password_file", file);
    if (!file.empty()) {
        problems found;
        const std::optional<std::string> text = read_bytes(from.file().path(file), found);
        for (const problem& each : found) from.complain("password_file", each.file + ": " + each.what);
        if (text) one.password = text->substr(0, text->find_first_of("\r\n"));
        if (text && one.password.empty()) from.complain("password_file", "its first line is empty");
    }
    if (const std::string wrong = wrong_with_credentials(one); !wrong.empty())
        from.complain(from.has("user") ? "user" : "url", wrong);
}

void read_tls(table_reader& from, policy::parent& one) {
    std::string file;
    from.text("ca_file", file);
    from.text("server_name", one.server_name);
    if (one.kind != policy::parent_kind::https)
        for (const char* key : {"ca_file", "server_name"})
            if (from.has(key)) from.complain(key, "is for a parent that is reached by https://");
    if (file.empty()) return;
    problems found;
    std::optional<std::string> text = read_bytes(from.file().path(file), found);
    for (const problem& each : found) from.complain("ca_file", each.file + ": " + each.what);
    if (!text) return;
    const auto trusted = net::tls::trust::from_pem(*text);
    if (!trusted || trusted->size() == 0) return from.complain("ca_file", "holds no certificates in PEM");
    one.ca_pem = std::move(*text);
}

void read_check(table_reader& from, policy::parent& one) {
    read_word(from, "check", checks, one.check);
    std::string target;
    from.text("check_target", target);
    http::authority where;
    if (!target.empty() && (!http::parse_authority(target, std::nullopt, where) || where.port == 0))
        from.complain("check_target", "no host with a port: write \"example.com:443\"");
    if (one.check == policy::parent_check::connect && target.empty())
        from.complain("check", "a connect check needs a destination: write check_target = \"example.com:443\"");
    if (one.check != policy::parent_check::connect && !target.empty())
        from.complain("check_target", "is for check = \"connect\"");
    one.check_host = where.host;
    one.check_port = where.port;
    from.time("check_interval", one.check_interval);
    from.time("check_timeout", one.check_timeout);
    const auto store = [](std::uint32_t& in) {
        return [&in](std::uint64_t given) { in = static_cast<std::uint32_t>(given); };
    };
    from.number("rise", 1, 1000, store(one.rise));
    from.number("fall", 1, 1000, store(one.fall));
}

void read_parent(table_reader& from, policy::settings& out) {
    policy::parent one;
    one.where = from.file().origin_of(from.where());
    from.text("name", one.name);
    check_name(from, one.name, out);
    std::string url;
    from.text("url", url);
    if (url.empty()) from.file().complain(from.where(), "a parent without url: write url = \"http://host:port\"");
    if (!url.empty())
        if (const std::string wrong = read_parent_url(url, one); !wrong.empty()) from.complain("url", wrong);
    read_credentials(from, one);
    read_tls(from, one);
    from.number("weight", 1, 1000, [&](std::uint64_t given) { one.weight = static_cast<std::uint32_t>(given); });
    read_word(from, "resolve", resolvings, one.resolve);
    from.time("connect_timeout", one.connect_timeout);
    read_check(from, one);
    if (out.parents.size() == parents_max) from.complain("name", "there are more than 256 parents");
    if (out.parents.size() < parents_max) out.parents.push_back(std::move(one));
}

void read_group(table_reader& from, policy::settings& out) {
    policy::parent_group one;
    one.where = from.file().origin_of(from.where());
    from.text("name", one.name);
    check_name(from, one.name, out);
    if (!from.has("parents"))
        from.file().complain(from.where(), "a group without parents: write parents = [\"...\", \"...\"]");
    from.texts("parents", [&](std::string_view given) -> std::string {
        const auto known = [&](const policy::parent& each) { return each.name == given; };
        if (std::none_of(out.parents.begin(), out.parents.end(), known)) return "there is no parent of this name";
        if (std::find(one.parents.begin(), one.parents.end(), given) != one.parents.end()) return "stands here twice";
        one.parents.emplace_back(given);
        return {};
    });
    read_word(from, "balance", balances, one.balance);
    bool direct = false;
    read_word(from, "when_down", when_down, direct);
    one.direct_when_down = direct;
    out.parent_groups.push_back(std::move(one));
}

std::string add_egress(std::string_view given, policy::wanted_way& out) {
    const result<io::socket_address> read = io::socket_address::parse(std::string(given), 0);
    if (!read || !policy::ip_address::parse(given)) return "is no address: write \"192.0.2.10\" or \"2001:db8::10\"";
    if (read->is_any()) return "is no address to come from: name one of this machine";
    io::socket_address& slot = read->family() == io::address_family::ipv6 ? out.egress_ipv6 : out.egress_ipv4;
    if (slot.family() != io::address_family::none) return "is a second address of this family: name one of each";
    slot = *read;
    return {};
}

}  // namespace

void read_parents(table_reader& file, policy::settings& out) {
    file.tables("parents", [&](table_reader& one) { read_parent(one, out); });
    file.tables("parent_groups", [&](table_reader& one) { read_group(one, out); });
}

void read_way(table_reader& from, policy::wanted_way& out) {
    from.text("via", out.via);
    if (from.is_text("egress")) {
        std::string given;
        from.text("egress", given);
        if (const std::string wrong = add_egress(given, out); !wrong.empty())
            from.complain("egress", fmt::format("\"{}\": {}", given, wrong));
    } else {
        from.texts("egress", [&](std::string_view given) { return add_egress(given, out); });
    }
}

void check_ways(table_reader& file, const policy::settings& chosen) {
    std::vector<std::string_view> known{policy::direct};
    for (const policy::parent& each : chosen.parents) known.push_back(each.name);
    for (const policy::parent_group& each : chosen.parent_groups) known.push_back(each.name);
    const auto check = [&](const policy::wanted_way& one, const policy::origin& where) {
        if (one.via.empty() || std::find(known.begin(), known.end(), one.via) != known.end()) return;
        std::string what = fmt::format("via: there is no parent and no group \"{}\"", one.via);
        if (const auto near = nearest(one.via, known)) {
            what += fmt::format(": did you mean \"{}\"?", *near);
        } else {
            what += fmt::format(": known are {}", fmt::join(known, ", "));
        }
        file.file().wrong.push_back({where.file, where.line, 1, std::move(what)});
    };
    check(chosen.way, file.file().origin_of(file.where("via")));
    for (const policy::policy& each : chosen.policies) {
        check(each.way, each.where);
        for (const policy::rule& one : each.rules) {
            check(one.way, one.where);
            if (one.then == policy::action::deny && (!one.way.via.empty() || one.way.has_egress()))
                file.file().wrong.push_back(
                    {one.where.file, one.where.line, 1, "what is denied has no way: leave via and egress out"});
        }
    }
}

}  // namespace co_wq::proxy::config
