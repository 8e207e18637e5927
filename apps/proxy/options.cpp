#include "proxy/options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "base/os/service.hpp"
#include "io/runtime.hpp"
#include "proxy/config/config_file.hpp"
#include "proxy/config/parent_url.hpp"
#include "proxy/config/units.hpp"
#include "proxy/policy/engine.hpp"
#include "proxy/tls_doors.hpp"
#include "proxy/version.hpp"

namespace co_wq::proxy {
namespace {

// Where what is wrong is told: on standard error, or in a list.
struct teller {
    std::vector<std::string>* into;

    void complain(std::string_view what) const {
        if (into) return into->push_back(on_one_line(what));
        std::fprintf(stderr, "co_http_proxy: %s (--help lists the options)\n", on_one_line(what).c_str());
    }
    // True: nothing is wrong.
    bool tell(const config::problems& wrong) const {
        for (const config::problem& each : wrong) {
            if (into) into->push_back(each.text());
            if (!into) std::fprintf(stderr, "co_http_proxy: %s\n", each.text().c_str());
        }
        return wrong.empty();
    }
};

// The options that are words, as they were given.
struct given_words {
    std::string reactor = "auto", level = "info", chaos, config, connect_ports, name_servers, send_proxy_protocol;
    policy::tls_files tls;
    int tls_port = -1;
    std::vector<std::string> allow, deny, allow_addresses, allow_clients, users, proxy_protocol_from, parents;
    bool quiet = false, verbose = false, append = false, version = false, check_config = false, report = false;

    bool has_rules() const noexcept {
        return !allow.empty() || !deny.empty() || !allow_addresses.empty() || !allow_clients.empty() ||
               !connect_ports.empty();
    }
};

void define_general(CLI::App& app, options& out, given_words& given) {
    app.add_option("--config", given.config, "read this TOML file first; options override it")->type_name("FILE");
    app.add_flag("--check-config", given.check_config, "explain every error of the config file, and end");
    app.add_option("--host", out.host, "address to listen on")->type_name("ADDRESS")->capture_default_str();
    app.add_option("--port", out.port, "port to listen on, 0 for any")
        ->check(CLI::Range(0, 65535))
        ->type_name("PORT")
        ->capture_default_str();
    app.add_option("--threads", out.threads, "event loops; 0: one per core")
        ->check(CLI::Range(0u, 1024u))
        ->capture_default_str();
    app.add_option("--reactor", given.reactor, "auto, epoll or uring")->type_name("NAME")->capture_default_str();
    app.add_option("--dns-servers", given.name_servers, "name servers to ask instead of the system's, with commas")
        ->type_name("LIST");
    app.add_option("--max-dns-queries", out.names.queries_max, "queries to name servers at a time, of each loop")
        ->check(CLI::Range(1u, 1'000'000u))
        ->capture_default_str();
    app.add_option("--max-dns-entries", out.names.entries_max, "answers about names that are kept, of each loop")
        ->check(CLI::Range(1u, 10'000'000u))
        ->capture_default_str();
    app.add_option("--user", out.user, "run as this user once the sockets are open")->type_name("NAME");
    app.add_flag("--open", out.open, "serve other machines without rules");
    app.add_option("--log-level", given.level, "trace, debug, info, warn, error or off")
        ->type_name("LEVEL")
        ->capture_default_str();
    app.add_option("--log-file", out.log.file, "write the log to a file instead of standard error")->type_name("PATH");
    app.add_flag("--log-append", given.append, "keep what the log file holds");
    app.add_flag("--quiet", given.quiet, "warnings and errors only");
    app.add_flag("--verbose", given.verbose, "what happens to each connection");
    app.add_flag("--trace-packets", out.trace_packets, "log the size of every piece that is carried");
    app.add_option("--chaos", given.chaos, "for staging: disturb this share of completions, such as 7:0.01")
        ->type_name("SEED:RATE");
    app.add_flag("--version", given.version, "print the version");
}

void define_policy(CLI::App& app, options& out, given_words& given) {
    // one value each, so that what follows is never taken for another one
    const auto repeated = [&](const char* name, std::vector<std::string>& values, const char* help) {
        app.add_option(name, values, help)->allow_extra_args(false)->type_name("VALUE");
    };
    app.add_flag("--sandbox", out.rules.sandbox, "deny what is not allowed, and all that is not global unicast");
    repeated("--allow", given.allow, "allow this host, *.suffix or CIDR, and nothing else; may be repeated");
    repeated("--deny", given.deny, "deny this host, *.suffix or CIDR, before all that is allowed; may be repeated");
    repeated("--allow-address", given.allow_addresses, "let this CIDR through the address guard; may be repeated");
    repeated("--allow-client", given.allow_clients, "serve clients of this CIDR only; may be repeated");
    app.add_option("--connect-ports", given.connect_ports, "where tunnels may lead, such as 443,8000-8999")
        ->type_name("LIST");
    repeated("--users", given.users, "demand a user of this htpasswd file; may be repeated");
    repeated(
        "--parent", given.parents,
        "go through this proxy, such as http://host:3128 (https://, socks5://); repeated: the next one if it fails");
    app.add_flag("--report", given.report, "only log what the rules would deny");
}

void define_tls(CLI::App& app, given_words& given) {
    app.add_option("--tls-port", given.tls_port, "speak TLS with clients on this port, besides the other; 0 for any")
        ->check(CLI::Range(0, 65535))
        ->type_name("PORT");
    app.add_option("--tls-certificate", given.tls.certificate, "what is shown there: PEM, with its issuers' behind it")
        ->type_name("FILE");
    app.add_option("--tls-key", given.tls.key, "its private key, if it is not in the same file")->type_name("FILE");
    app.add_option("--tls-client-ca", given.tls.client_ca,
                   "demand a client certificate signed by one of these; its common name is the user")
        ->type_name("FILE");
    app.add_flag("--tls-client-optional", given.tls.client_optional, "a client may also show no certificate");
}

void define_arrival(CLI::App& app, options& out, given_words& given) {
    app.add_option("--udp-per-client", out.udp_per_client, "UDP associations (SOCKS 5) of one client; 0: none at all")
        ->check(CLI::Range(0u, 65536u))
        ->capture_default_str();
    app.add_option("--proxy-protocol-from", given.proxy_protocol_from,
                   "a source that begins with a PROXY header (v1 or v2) that says who its client is; repeatable")
        ->type_name("CIDR");
    app.add_option("--send-proxy-protocol", given.send_proxy_protocol,
                   "begin tunnels (CONNECT, SOCKS) with a PROXY header: v1 or v2")
        ->type_name("VERSION");
}

CLI::App* define_explain(CLI::App& app, explain_request& out) {
    CLI::App* explain = app.add_subcommand("explain", "say which rule decides about a URL, and why");
    explain->fallthrough();
    explain->add_option("url", out.target, "http://..., https://... or host:port")->required();
    explain->add_option("--method", out.method, "of an http:// request")->type_name("NAME");
    explain->add_option("--user", out.user, "as this user")->type_name("NAME");
    explain->add_option("--client", out.client, "from this address")->type_name("ADDRESS")->capture_default_str();
    explain->add_option("--listener", out.listener, "through this listener")->type_name("NAME");
    explain->add_flag("--resolve", out.resolve, "ask for the name's addresses and judge each");
    return explain;
}

// Who is trusted to say who its client is, and what we say ourselves.
std::string apply_arrival(const given_words& words, options& out) {
    if (!words.proxy_protocol_from.empty()) out.proxy_protocol_from.clear();
    for (const std::string& each : words.proxy_protocol_from) {
        const auto block = socks::address_block::parse(each);
        if (!block)
            return "--proxy-protocol-from " + each +
                   ": an address, or a block of them with no bit behind its prefix, such as 192.0.2.0/24 or fd00::/8";
        out.proxy_protocol_from.push_back(*block);
    }
    const std::string& version = words.send_proxy_protocol;
    if (version == "v1") out.send_proxy_protocol = socks::proxy_header_version::v1;
    if (version == "v2") out.send_proxy_protocol = socks::proxy_header_version::v2;
    if (!version.empty() && version != "v1" && version != "v2")
        return "--send-proxy-protocol " + version + ": v1 or v2";
    return {};
}

std::string wrong_word(const given_words& given) {
    if (!io::reactor_kind_from(given.reactor) || given.reactor == "sim")
        return "--reactor " + given.reactor + ": one of auto, epoll, uring";
    if (!log::level_from(given.level))
        return "--log-level " + given.level + ": one of trace, debug, info, warn, error, off";
    if (!given.chaos.empty() && !io::chaos_from(given.chaos))
        return "--chaos " + given.chaos +
               ": SEED:RATE, a whole number and a share of completions above 0 up to 1, such as 7:0.01";
    if (given.check_config && given.config.empty()) return "--check-config: name the file with --config FILE";
    return {};
}

// Calls take with each part of a list with commas, until it says what is wrong.
template <class Take>
std::string each_part(std::string_view option, std::string_view list, Take&& take) {
    for (std::string_view rest = list; !list.empty();) {
        const std::size_t comma = rest.find(',');
        if (const std::string wrong = take(rest.substr(0, comma)); !wrong.empty())
            return std::string(option) + " " + std::string(list) + ": " + wrong;
        if (comma == rest.npos) break;
        rest.remove_prefix(comma + 1);
    }
    return {};
}

std::string add_ranges(std::string_view option, const std::vector<std::string>& texts, std::vector<policy::cidr>& out) {
    for (const std::string& each : texts) {
        const auto range = policy::parse_cidr(each);
        if (!range) return std::string(option) + " " + each + ": " + range.error();
        out.push_back(*range);
    }
    return {};
}

std::string add_rules(std::string_view option, policy::action then, const std::vector<std::string>& texts,
                      const std::vector<policy::cidr>& clients, policy::policy& out) {
    for (const std::string& each : texts) {
        policy::rule one;
        one.name = std::string(option) + " " + on_one_line(each);
        one.then = then;
        if (then == policy::action::allow) one.clients = clients;
        const bool address = each.find("://") == each.npos &&
                             (each.find('/') != each.npos || policy::ip_address::parse(each).has_value());
        if (address) {
            if (std::string wrong = add_ranges(option, {each}, one.addresses); !wrong.empty()) return wrong;
        } else if (const auto added = one.hosts.add(each); !added) {
            return one.name + ": " + added.error();
        }
        out.rules.push_back(std::move(one));
    }
    return {};
}

// What the flags say, as a policy of its own for every listener.
std::string make_policy(const given_words& given, policy::settings& out) {
    if (!given.has_rules() && !given.report) return {};
    if (!out.policies.empty()) {
        if (given.has_rules())
            return "--allow, --deny, --allow-address, --allow-client and --connect-ports are for a config file without "
                   "policies: write them into the file";
        for (policy::policy& each : out.policies) each.report = true;
        return {};
    }
    policy::policy made;
    made.name = "command line";
    made.report = given.report;
    std::vector<policy::cidr> clients;
    std::string wrong = add_ranges("--allow-client", given.allow_clients, clients);
    if (wrong.empty()) wrong = add_ranges("--allow-address", given.allow_addresses, made.allow_addresses);
    if (wrong.empty())
        wrong = each_part("--connect-ports", given.connect_ports, [&](std::string_view part) {
            const auto ports = config::parse_ports(part);
            if (ports) made.connect_ports.push_back(*ports);
            return ports ? std::string() : ports.error();
        });
    if (wrong.empty()) wrong = add_rules("--deny", policy::action::deny, given.deny, clients, made);
    if (wrong.empty()) wrong = add_rules("--allow", policy::action::allow, given.allow, clients, made);
    if (!clients.empty() && given.allow.empty() && !out.sandbox) {
        policy::rule served;
        served.name = "--allow-client";
        served.then = policy::action::allow;
        served.clients = clients;
        made.rules.push_back(std::move(served));
    }
    if (!given.allow.empty() || !clients.empty()) made.otherwise = policy::action::deny;
    out.policies.push_back(std::move(made));
    for (policy::listener& each : out.listeners) each.policy = "command line";
    return wrong;
}

// The listener of --tls-port, which is named "tls": one of the file that has this name gives way.
std::string add_tls_listener(const given_words& given, const options& out, std::vector<policy::listener>& all) {
    const policy::tls_files& files = given.tls;
    if (given.tls_port < 0) {
        const bool any = files.used() || !files.key.empty() || !files.client_ca.empty() || files.client_optional;
        return any ? "--tls-certificate and what belongs to it are for --tls-port: name the port" : "";
    }
    if (!files.used()) return "--tls-port: name the certificate with --tls-certificate FILE and its key with --tls-key";
    if (files.client_optional && files.client_ca.empty())
        return "--tls-client-optional: no client certificate is asked for without --tls-client-ca";
    std::erase_if(all, [](const policy::listener& each) { return each.name == "tls"; });
    policy::listener& one = all.emplace_back();
    one.name = "tls";
    const result<io::socket_address> where =
        io::socket_address::parse(out.host, static_cast<std::uint16_t>(given.tls_port));
    one.where = where.value_or(io::socket_address::loopback(0));
    one.tls = files;
    for (const policy::listener& other : all)
        if (&other != &one && one.where.port() != 0 && other.where == one.where)
            return "--tls-port " + std::to_string(given.tls_port) + ": the port of listener \"" + other.name + "\"";
    const tls_read read = read_tls(one);
    if (!read.problem) return {};
    const std::string option = read.problem->key == "client_ca" ? "client-ca" : read.problem->key;
    return "--tls-" + option + " " + read.problem->what;
}

// The listeners of the file, or the one of --host and --port; these move the first one of the file and drop the others.
std::string make_listeners(const CLI::App& app, const given_words& given, options& out) {
    auto& all = out.rules.listeners;
    const bool host_given = app.count("--host") > 0, port_given = app.count("--port") > 0;
    if (!all.empty() && !host_given) out.host = all.front().where.host();
    if (!all.empty() && !port_given) out.port = all.front().where.port();
    const result<io::socket_address> where = io::socket_address::parse(out.host, out.port);
    if (!where) return "--host " + out.host + ": not a numeric IPv4 or IPv6 address";
    if (all.empty()) all.push_back({.name = "main"});
    if (host_given || port_given) all.resize(1);
    all.front().where = *where;
    if (std::string wrong = add_tls_listener(given, out, all); !wrong.empty()) return wrong;
    for (policy::listener& each : all) each.open |= out.open;
    return {};
}

std::string wrong_with_listeners(const policy::settings& chosen) {
    for (const policy::listener& each : chosen.listeners)
        if (policy::serves_everybody(chosen, each))
            return "--host " + each.where.host() +
                   " is reachable by others and would serve everybody: add --users, --allow, --allow-client or "
                   "--sandbox, add --open if that is wanted, or use 127.0.0.1";
    return {};
}

std::string apply(const CLI::App& app, const given_words& given, options& out, config::problems& wrong) {
    if (app.count("--reactor") > 0) out.reactor = *io::reactor_kind_from(given.reactor);
    if (!given.chaos.empty()) out.chaos = *io::chaos_from(given.chaos);
    if (app.count("--log-level") > 0) out.log.minimum = *log::level_from(given.level);
    if (given.quiet || given.verbose) out.log.minimum = given.quiet ? log::level::warn : log::level::debug;
    if (out.trace_packets) out.log.minimum = log::level::trace;
    out.log.append |= given.append;
    out.log.console = out.log.file.empty();
    if (out.threads == 0) out.threads = io::usable_cores();
    // no connection is kept without a byte for longer than the idle limit
    for (duration* each : {&out.limit.keep_alive_timeout, &out.limit.response_timeout, &out.limit.pool_idle_timeout})
        *each = std::min(*each, out.limit.idle_timeout);
    if (!given.users.empty()) out.rules.users.clear();
    for (const std::string& each : given.users) {
        policy::user_file one;
        one.table = config::load_users(each, wrong);
        out.rules.users.push_back(std::move(one));
    }
    std::string text = each_part("--dns-servers", given.name_servers, config::wrong_with_name_server);
    if (!given.name_servers.empty()) out.names.servers = given.name_servers;
    if (text.empty()) text = apply_arrival(given, out);
    if (text.empty()) (void)check_seeing(out.seeing, text);
    if (text.empty()) text = apply_service_options(out);
    if (text.empty()) text = make_listeners(app, given, out);
    for (policy::listener& each : out.rules.listeners) each.introduced = !out.proxy_protocol_from.empty();
    if (text.empty()) text = make_policy(given, out.rules);
    if (text.empty()) text = config::add_parents(given.parents, out.rules);
    if (text.empty() && wrong.empty()) text = wrong_with_listeners(out.rules);
    return text;
}

}  // namespace

std::string on_one_line(std::string_view text) { return log::on_one_line(text, 300); }

namespace {

// Reads the words into out; what is not among them stays as it is.
parse_outcome read_words(int count, char** words, CLI::App& app, options& out, given_words& given, const teller& to) {
    define_general(app, out, given);
    define_policy(app, out, given);
    define_limits(app, out.limit);
    define_arrival(app, out, given);
    define_tls(app, given);
    add_seeing_options(app, out.seeing);
    add_service_options(app, out.service);
    const CLI::App* explain = define_explain(app, out.explain);
    try {
        app.parse(count, words);
    } catch (const CLI::CallForHelp&) {
        std::fputs(app.help().c_str(), stdout);
        return parse_outcome::done;
    } catch (const CLI::ParseError& wrong) {
        to.complain(wrong.what());
        return parse_outcome::wrong;
    }
    if (given.version) {
        std::printf("co_http_proxy %s\n", version_text);
        return parse_outcome::done;
    }
    if (const std::string wrong = wrong_word(given); !wrong.empty()) {
        to.complain(wrong);
        return parse_outcome::wrong;
    }
    if (explain->parsed()) return parse_outcome::explain;
    return out.service.errand() ? parse_outcome::errand : parse_outcome::run;
}

constexpr const char* about = "co_http_proxy: a forward proxy for HTTP/1.1, CONNECT and SOCKS";

}  // namespace

parse_outcome parse_options(int count, char** words, options& out, std::vector<std::string>* problems) {
    const teller to{problems};
    out.log.append = false;
    std::string file;
    {
        options first = out;
        given_words given;
        CLI::App app{about, "co_http_proxy"};
        const parse_outcome outcome = read_words(count, words, app, first, given, to);
        if (outcome == parse_outcome::done || outcome == parse_outcome::wrong) return outcome;
        file = given.config;
    }
    config::problems wrong;
    if (!file.empty()) config::load_file(file, out, wrong);
    if (!to.tell(wrong)) return parse_outcome::wrong;
    given_words given;
    CLI::App app{about, "co_http_proxy"};
    const parse_outcome outcome = read_words(count, words, app, out, given, to);
    const std::string text = apply(app, given, out, wrong);
    if (!to.tell(wrong)) return parse_outcome::wrong;
    if (!text.empty()) {
        to.complain(text);
        return parse_outcome::wrong;
    }
    out.self = {os::executable_path(), {words + 1, words + count}};
    if (!given.check_config) return outcome;
    std::printf("%s: ok\n", on_one_line(file).c_str());
    return parse_outcome::done;
}

}  // namespace co_wq::proxy
