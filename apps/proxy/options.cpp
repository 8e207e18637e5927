#include "proxy/options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "io/runtime.hpp"
#include "proxy/version.hpp"

namespace co_wq::proxy {
namespace {

// Milliseconds on the command line, a duration inside.
void add_milliseconds(CLI::App& app, const char* name, duration& value, const char* help) {
    app.add_option_function<std::int64_t>(
           name, [&value](const std::int64_t& given) { value = std::chrono::milliseconds(given); }, help)
        ->check(CLI::Range(std::int64_t{1}, std::int64_t{7} * 24 * 3600 * 1000))
        ->type_name("MS")
        ->default_str(std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(value).count()));
}

void complain(std::string_view what) {
    std::fprintf(stderr, "co_http_proxy: %s (--help lists the options)\n", on_one_line(what).c_str());
}

// The options that are words, as they were given.
struct given_words {
    std::string reactor = "auto", level = "info", chaos;
};

bool check(const options& given, const given_words& words, std::string& wrong) {
    const result<io::socket_address> where = io::socket_address::parse(given.host, given.port);
    if (!where) {
        wrong = "--host " + given.host + ": not a numeric IPv4 or IPv6 address";
    } else if (!where->is_loopback() && !given.open) {
        wrong = "--host " + given.host +
                " is reachable by others and would serve everybody: add --open if that is wanted, or use 127.0.0.1";
    } else if (!io::reactor_kind_from(words.reactor) || words.reactor == "sim") {
        wrong = "--reactor " + words.reactor + ": one of auto, epoll, uring";
    } else if (!log::level_from(words.level)) {
        wrong = "--log-level " + words.level + ": one of trace, debug, info, warn, error, off";
    } else if (!words.chaos.empty() && !io::chaos_from(words.chaos)) {
        wrong = "--chaos " + words.chaos +
                ": SEED:RATE, a whole number and a share of completions above 0 up to 1, such as 7:0.01";
    }
    return wrong.empty();
}

}  // namespace

std::string on_one_line(std::string_view text) {
    constexpr std::size_t shown_max = 300;
    std::string out;
    for (const char c : text.substr(0, shown_max)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte != 0x7f) {
            out += c;
            continue;
        }
        constexpr char digits[] = "0123456789abcdef";
        out += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
    }
    return text.size() > shown_max ? out + "..." : out;
}

parse_outcome parse_options(int count, char** words, options& out) {
    CLI::App app{"co_http_proxy: a forward proxy for HTTP/1.1 and CONNECT", "co_http_proxy"};
    given_words given;
    bool quiet = false, verbose = false, append = false, version = false;
    app.add_option("--host", out.host, "address to listen on")->type_name("ADDRESS")->capture_default_str();
    app.add_option("--port", out.port, "port to listen on, 0 for any")
        ->check(CLI::Range(0, 65535))
        ->type_name("PORT")
        ->capture_default_str();
    app.add_option("--threads", out.threads, "event loops; 0: one per core")
        ->check(CLI::Range(0u, 1024u))
        ->capture_default_str();
    app.add_option("--reactor", given.reactor, "auto, epoll or uring")->type_name("NAME")->capture_default_str();
    app.add_flag("--open", out.open, "serve other machines without rules");
    app.add_option("--log-level", given.level, "trace, debug, info, warn, error or off")
        ->type_name("LEVEL")
        ->capture_default_str();
    app.add_option("--log-file", out.log.file, "write the log to a file instead of standard error")->type_name("PATH");
    app.add_flag("--log-append", append, "keep what the log file holds");
    app.add_flag("--quiet", quiet, "warnings and errors only");
    app.add_flag("--verbose", verbose, "what happens to each connection");
    app.add_flag("--trace-packets", out.trace_packets, "log the size of every piece that is carried");
    app.add_option("--max-connections", out.limit.connections_max, "connections of clients; 0: as descriptors allow")
        ->check(CLI::NonNegativeNumber)
        ->capture_default_str();
    app.add_option("--max-body-bytes", out.limit.body_bytes_max, "largest request body; 0: no limit")
        ->check(CLI::NonNegativeNumber)
        ->capture_default_str();
    add_milliseconds(app, "--header-timeout-ms", out.limit.header_timeout, "for the whole head of a request");
    add_milliseconds(app, "--keep-alive-timeout-ms", out.limit.keep_alive_timeout, "between requests of a client");
    add_milliseconds(app, "--connect-timeout-ms", out.limit.connect_timeout, "for name look-up and connection");
    add_milliseconds(app, "--response-timeout-ms", out.limit.response_timeout, "until the origin's answer begins");
    add_milliseconds(app, "--idle-timeout-ms", out.limit.idle_timeout, "without a byte, in bodies and tunnels");
    add_milliseconds(app, "--drain-timeout-ms", out.limit.drain_timeout, "for what is under way after SIGTERM");
    app.add_option("--chaos", given.chaos, "for staging: disturb this share of completions, such as 7:0.01")
        ->type_name("SEED:RATE");
    add_seeing_options(app, out.seeing);
    app.add_flag("--version", version, "print the version");
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
        std::printf("co_http_proxy %s\n", version_text);
        return parse_outcome::done;
    }
    std::string wrong;
    if (!check(out, given, wrong) || !check_seeing(out.seeing, wrong)) {
        complain(wrong);
        return parse_outcome::wrong;
    }
    out.reactor = *io::reactor_kind_from(given.reactor);
    if (!given.chaos.empty()) out.chaos = *io::chaos_from(given.chaos);
    out.log.minimum = quiet ? log::level::warn : verbose ? log::level::debug : *log::level_from(given.level);
    if (out.trace_packets) out.log.minimum = log::level::trace;
    out.log.append = append;
    out.log.console = out.log.file.empty();
    if (out.threads == 0) out.threads = io::usable_cores();
    // no connection is kept without a byte for longer than the idle limit
    for (duration* each : {&out.limit.keep_alive_timeout, &out.limit.response_timeout, &out.limit.pool_idle_timeout})
        *each = std::min(*each, out.limit.idle_timeout);
    return parse_outcome::run;
}

}  // namespace co_wq::proxy
