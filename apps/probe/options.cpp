#include "probe/options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "io/runtime.hpp"
#include "probe/version.hpp"

namespace co_wq::probe {
namespace {

constexpr std::array<const char*, 6> fault_names{"none", "rst", "half-close", "slow", "early-data", "abort-at"};
constexpr std::array<const char*, phases> phase_names{"connect", "half-tunnel", "tunnel",    "half-head",
                                                      "upload",  "request",     "first-byte"};

// A word of the command line as reports may show it.
std::string without_password(std::string_view word) {
    const std::size_t scheme = word.find("://"), at = word.rfind('@');
    if (scheme == std::string_view::npos || at == std::string_view::npos || at < scheme) return std::string(word);
    return std::string(word.substr(0, scheme + 3)) + "***" + std::string(word.substr(at));
}

void complain(std::string_view what) {
    std::fprintf(stderr, "co_probe: %s (--help lists the options)\n", on_one_line(what).c_str());
}

// What was given as words, before it is understood.
struct given_words {
    std::string url, proxy, fault = "none", reactor = "auto";
    bool connect = false, new_connections = false, no_verify = false;
    double length_s = 10, warmup_s = 1, timeout_s = 10;
};

duration seconds_of(double count) noexcept { return duration(static_cast<std::int64_t>(std::llround(count * 1e9))); }

void add_reactor(CLI::App& app, given_words& given) {
    app.add_option("--reactor", given.reactor, "auto, epoll or uring")->type_name("NAME")->capture_default_str();
}

void add_load(CLI::App& app, options& out, given_words& given) {
    load_options& load = out.load;
    app.add_option("URL", given.url, "what to ask for, such as http://127.0.0.1:8000/bytes/1024")->required();
    app.add_option("--proxy", given.proxy, "http://H:P, socks5://H:P or socks5h://H:P, with USER:PASSWORD@ if needed")
        ->type_name("PROXY");
    app.add_flag("--connect", given.connect, "through an HTTP proxy: tunnel http, too");
    app.add_option("--connections", load.connections, "clients at the same time")
        ->check(CLI::Range(1u, 1'000'000u))
        ->capture_default_str();
    app.add_option("--threads", load.threads, "event loops")->check(CLI::Range(1u, 256u))->capture_default_str();
    app.add_option("--rate", load.rate, "open loop: so many requests a second, whatever the answers do")
        ->check(CLI::Range(0.001, 1e8))
        ->type_name("PER_SECOND");
    app.add_option("--duration", given.length_s, "seconds that are measured")
        ->check(CLI::Range(0.1, 7.0 * 24 * 3600))
        ->capture_default_str();
    app.add_option("--warmup", given.warmup_s, "seconds before that")
        ->check(CLI::Range(0.0, 3600.0))
        ->capture_default_str();
    app.add_option("--timeout", given.timeout_s, "seconds for one request, its connection included")
        ->check(CLI::Range(0.001, 3600.0))
        ->capture_default_str();
    app.add_flag("--new-connections", given.new_connections, "a connection for each request");
    app.add_option("--body", load.body_bytes, "bytes to send with each request (POST)")
        ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{1} << 40))
        ->type_name("BYTES");
    app.add_flag("--no-verify", given.no_verify, "do not compare bodies with what the path stands for");
    app.add_option("--ca", load.ca, "certificates to trust, in PEM; else the system's")->type_name("FILE");
    app.add_flag("--insecure", load.insecure, "believe any certificate");
    app.add_option("--max-errors", load.max_errors, "so many are still fine")->capture_default_str();
    app.add_option("--json", out.json, "write the report as JSON")->type_name("FILE");
    app.add_option("--html", out.html, "write the report as a page with plots")->type_name("FILE");
    app.add_flag("--quiet", out.quiet, "no progress line");
    add_reactor(app, given);
}

void add_fault(CLI::App& app, options& out, given_words& given) {
    app.add_option("--fault", given.fault,
                   "rst, half-close, slow, early-data or abort-at:PHASE; PHASE: connect, "
                   "half-tunnel, tunnel, half-head, upload, request, first-byte")
        ->type_name("MODE");
    app.add_option("--fault-share", out.load.fault_share, "share of the clients that misbehave, from half-time on")
        ->check(CLI::Range(0.0, 1.0))
        ->capture_default_str();
}

void add_origin(CLI::App& app, options& out, given_words& given) {
    origin_options& origin = out.origin;
    app.add_option("--host", origin.host, "address to listen on")->type_name("ADDRESS")->capture_default_str();
    app.add_option("--port", origin.port, "port of the HTTP server; 0: any")->capture_default_str();
    app.add_option("--echo-port", origin.echo_port, "port that echoes; 0: any")->capture_default_str();
    app.add_option("--sink-port", origin.sink_port, "port that swallows and counts; 0: any")->capture_default_str();
    app.add_option("--source-port", origin.source_port, "port that sends without end; 0: any")->capture_default_str();
    app.add_option("--threads", origin.threads, "event loops")->check(CLI::Range(1u, 256u))->capture_default_str();
    app.add_flag("--tls", origin.secure, "https, with a certificate made at the start");
    app.add_option("--ca-out", origin.ca_out, "write the authority's certificate, for clients to trust")
        ->type_name("FILE");
    add_reactor(app, given);
}

std::string read_fault(const std::string& text, load_options& load) {
    const std::string_view mode = std::string_view(text).substr(0, text.find(':'));
    const auto* found = std::ranges::find(fault_names, mode);
    if (found == fault_names.end()) return "--fault " + text + ": one of rst, half-close, slow, early-data, abort-at";
    load.fault = static_cast<fault_kind>(found - fault_names.begin());
    if (load.fault != fault_kind::abort_at)
        return mode.size() == text.size() ? "" : "--fault " + text + ": only abort-at has a phase";
    const std::string_view where = std::string_view(text).substr(std::min(mode.size() + 1, text.size()));
    const auto* known = std::ranges::find(phase_names, where);
    if (known == phase_names.end())
        return "--fault " + text +
               ": abort-at:PHASE, one of connect, half-tunnel, tunnel, half-head, upload, "
               "request, first-byte";
    load.abort_phase = static_cast<phase>(known - phase_names.begin());
    return "";
}

std::string understand_load(const given_words& given, options& out) {
    load_options& load = out.load;
    auto target = parse_url(given.url);
    if (!target) return "URL " + given.url + ": " + target.error();
    load.way.target = std::move(*target);
    if (!given.proxy.empty()) {
        auto through = parse_proxy(given.proxy);
        if (!through) return "--proxy: " + through.error();
        load.way.through = std::move(*through);
    }
    load.way.connect = given.connect;
    if (given.connect && !load.way.through) return "--connect needs --proxy";
    if (out.what == options::command::compare && !load.way.through) return "compare needs --proxy";
    load.keep_alive = !given.new_connections;
    load.verify = !given.no_verify;
    load.length = seconds_of(given.length_s);
    load.warmup = seconds_of(given.warmup_s);
    load.timeout = seconds_of(given.timeout_s);
    if (std::string wrong = read_fault(given.fault, load); !wrong.empty()) return wrong;
    const bool in_tunnel = load.abort_phase == phase::half_tunnel || load.abort_phase == phase::tunnel;
    if (load.fault == fault_kind::abort_at && in_tunnel && !load.way.tunnelled())
        return "--fault " + given.fault + " needs a tunnel: --connect, https through --proxy, or socks5";
    if (load.fault != fault_kind::none && load.rude() >= load.connections)
        return "--fault-share leaves nobody to be measured: have more --connections or a smaller share";
    load.threads = std::min(load.threads, load.connections);
    return "";
}

std::string understand(const given_words& given, options& out) {
    const auto reactor = io::reactor_kind_from(given.reactor);
    if (!reactor || given.reactor == "sim") return "--reactor " + given.reactor + ": one of auto, epoll, uring";
    out.load.reactor = out.origin.reactor = *reactor;
    if (out.what != options::command::origin) return understand_load(given, out);
    if (!io::socket_address::parse(out.origin.host, 0))
        return "--host " + out.origin.host + ": not a numeric IPv4 or IPv6 address";
    if (!out.origin.ca_out.empty() && !out.origin.secure) return "--ca-out needs --tls";
    return "";
}

}  // namespace

const char* name_of(fault_kind kind) noexcept { return fault_names[static_cast<std::size_t>(kind)]; }
const char* name_of(phase where) noexcept { return phase_names[static_cast<std::size_t>(where)]; }

unsigned load_options::rude() const noexcept {
    if (fault == fault_kind::none) return 0;
    return std::max(1u, static_cast<unsigned>(std::lround(connections * fault_share)));
}

std::string on_one_line(std::string_view text) {
    constexpr std::size_t shown_max = 300;
    std::string out;
    for (const char c : text.substr(0, shown_max)) out += c >= 0x20 && c != 0x7f ? c : '?';
    return text.size() > shown_max ? out + "..." : out;
}

parse_outcome parse_options(int count, char** words, options& out) {
    CLI::App app{"co_probe: measures and disturbs HTTP servers and proxies", "co_probe"};
    given_words given;
    bool version = false;
    app.add_flag("--version", version, "print the version");
    app.require_subcommand(0, 1);
    CLI::App& run = *app.add_subcommand("run", "one measurement");
    CLI::App& compare = *app.add_subcommand("compare", "direct against --proxy, in turn");
    CLI::App& origin = *app.add_subcommand("origin", "a server to measure against");
    add_load(run, out, given);
    add_fault(run, out, given);
    add_load(compare, out, given);
    compare.add_option("--rounds", out.rounds, "of each")->check(CLI::Range(1u, 1000u))->capture_default_str();
    add_origin(origin, out, given);
    try {
        app.parse(count, words);
    } catch (const CLI::CallForHelp&) {
        std::fputs(app.help().c_str(), stdout);
        return parse_outcome::done;
    } catch (const CLI::ParseError& wrong) {
        complain(wrong.what());
        return parse_outcome::wrong;
    }
    if (version) {
        std::printf("co_probe %s\n", version_text);
        return parse_outcome::done;
    }
    std::string wrong;
    if (run) {
        out.what = options::command::run;
    } else if (compare) {
        out.what = options::command::compare;
    } else if (origin) {
        out.what = options::command::origin;
    } else {
        wrong = "one of the commands run, compare, origin is missing";
    }
    out.words = "co_probe";
    for (int i = 1; i < count; ++i) out.words += " " + without_password(words[i]);
    if (wrong.empty()) wrong = understand(given, out);
    if (wrong.empty()) return parse_outcome::run;
    complain(wrong);
    return parse_outcome::wrong;
}

}  // namespace co_wq::probe
