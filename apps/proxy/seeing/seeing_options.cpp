#include "proxy/seeing/seeing_options.hpp"

#include <CLI/CLI.hpp>
#include <charconv>

namespace co_wq::proxy {

void add_seeing_options(CLI::App& app, seeing_options& out) {
    app.add_option("--access-log", out.access_log, "a line per request and tunnel; - is standard output")
        ->type_name("FILE");
    app.add_option("--access-log-format", out.format, "text or json")->type_name("NAME")->capture_default_str();
    app.add_option("--access-log-sample", out.sample, "share of the requests without a fault that is logged")
        ->type_name("SHARE")
        ->capture_default_str();
    app.add_flag("--access-log-query", out.query, "log the query strings of targets");
    app.add_option("--admin", out.admin, "serve /metrics, /health, /ready and /tunnels here")
        ->type_name("ADDRESS:PORT");
    app.add_flag("--admin-open", out.admin_open, "let --admin be an address that others can reach");
}

result<io::socket_address> parse_admin_address(const std::string& text) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string::npos) return fail(errc::invalid_argument);
    std::string host = text.substr(0, colon);
    const bool brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (brackets) host = host.substr(1, host.size() - 2);
    if (brackets != (host.find(':') != std::string::npos)) return fail(errc::invalid_argument);
    std::uint16_t port = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, wrong] = std::from_chars(text.data() + colon + 1, end, port);
    if (wrong != std::errc() || rest != end) return fail(errc::invalid_argument);
    return io::socket_address::parse(host, port);
}

bool check_seeing(const seeing_options& given, std::string& wrong) {
    if (given.format != "text" && given.format != "json")
        wrong = "--access-log-format " + given.format + ": one of text, json";
    else if (!(given.sample > 0 && given.sample <= 1))
        wrong = "--access-log-sample: a share above 0 up to 1, such as 0.01";
    if (!wrong.empty() || given.admin.empty()) return wrong.empty();
    const result<io::socket_address> where = parse_admin_address(given.admin);
    if (!where)
        wrong = "--admin " + given.admin + ": ADDRESS:PORT, numeric, such as 127.0.0.1:9100 or [::1]:9100";
    else if (!where->is_loopback() && !given.admin_open)
        wrong = "--admin " + given.admin + " is reachable by others: add --admin-open if that is wanted";
    return wrong.empty();
}

}  // namespace co_wq::proxy
