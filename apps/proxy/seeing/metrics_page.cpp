#include "proxy/seeing/metrics_page.hpp"

#include <fmt/format.h>

#include <iterator>

#include "proxy/version.hpp"

namespace co_wq::proxy {
namespace {

class page {
public:
    explicit page(std::string& out) noexcept : out_(out) {}

    template <class... Args>
    void line(fmt::format_string<Args...> text, Args&&... args) {
        fmt::format_to(std::back_inserter(out_), text, std::forward<Args>(args)...);
        out_ += '\n';
    }
    void family(std::string_view name, std::string_view type, std::string_view help) {
        line("# HELP co_http_proxy_{} {}", name, help);
        line("# TYPE co_http_proxy_{} {}", name, type);
    }
    template <class Value>
    void single(std::string_view name, std::string_view type, std::string_view help, Value value) {
        family(name, type, help);
        line("co_http_proxy_{} {}", name, value);
    }
    template <class Value>
    void labelled(std::string_view name, std::string_view label, std::string_view is, Value value) {
        line("co_http_proxy_{}{{{}=\"{}\"}} {}", name, label, is, value);
    }

private:
    std::string& out_;
};

std::vector<const loop_figures*> all_loops(const seeing& all) {
    std::vector<const loop_figures*> found;
    all.for_each_loop([&](const seeing::loop_part& one) { found.push_back(&one.figures); });
    return found;
}

template <class Pick>
std::uint64_t sum(const std::vector<const loop_figures*>& loops, Pick&& pick) {
    std::uint64_t total = 0;
    for (const loop_figures* one : loops) total += pick(*one).get();
    return total;
}

std::uint64_t sum(const std::vector<const loop_figures*>& loops, figure loop_figures::* which) {
    return sum(loops, [which](const loop_figures& one) -> const figure& { return one.*which; });
}

struct row {
    std::string_view name, type, help;
    figure loop_figures::* which;
};

constexpr row rows[] = {
    {"connections_total", "counter", "Connections of clients that were accepted.", &loop_figures::connections},
    {"accept_errors_total", "counter", "Accepts that failed, for want of descriptors or memory.",
     &loop_figures::accept_errors},
    {"tls_handshakes_total", "counter", "TLS handshakes with clients.", &loop_figures::tls_handshakes},
    {"tls_handshake_failures_total", "counter", "Those that failed.", &loop_figures::tls_failures},
    {"open_tunnels", "gauge", "Tunnels now.", &loop_figures::tunnels_current},
    {"tunnels_total", "counter", "Tunnels that stood: by CONNECT or by an upgrade.", &loop_figures::tunnels},
    {"upstream_connects_total", "counter", "Connections to origins that were made.", &loop_figures::connects},
    {"parent_retries_total", "counter", "Times that another parent was asked after one that failed.",
     &loop_figures::parent_retries},
    {"pool_hits_total", "counter", "Requests that found a kept connection to their origin.", &loop_figures::pool_hits},
    {"pool_misses_total", "counter", "Requests that could have used one and found none.", &loop_figures::pool_misses},
    {"pool_connections", "gauge", "Connections to origins that wait for their next use.", &loop_figures::pool_size},
    {"dns_lookups_total", "counter", "Names looked up, one per address family.", &loop_figures::dns_lookups},
    {"dns_cache_hits_total", "counter", "Of those, answered from the cache.", &loop_figures::dns_cache_hits},
    {"dns_queries_total", "counter", "Queries to name servers.", &loop_figures::dns_queries},
    {"dns_failures_total", "counter", "Queries without a usable reply.", &loop_figures::dns_failures},
    {"dns_timeouts_total", "counter", "Tries to which a name server did not reply in time.",
     &loop_figures::dns_timeouts},
};

constexpr row loop_rows[] = {
    {"loop_waits_total", "counter", "Calls that may sleep.", &loop_figures::waits},
    {"loop_events_total", "counter", "Events or completions taken from the kernel.", &loop_figures::events},
    {"loop_turns_total", "counter", "Turns of the loop.", &loop_figures::turns},
    {"loop_late_completions_total", "counter", "Successes of operations that had been cancelled or left.",
     &loop_figures::late_completions},
    {"loop_live_operations", "gauge", "Operations under way.", &loop_figures::live_operations},
};

constexpr std::string_view status_names[status_classes] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};

std::string_view method_name(std::size_t index) {
    const std::string_view name = name_of(static_cast<http::method>(index));
    return name.empty() ? "other" : name;
}

void append_requests(page& to, const std::vector<const loop_figures*>& loops) {
    to.family("requests_total", "counter",
              "Requests that were answered, tunnels when they stand; none: no status sent.");
    for (std::size_t method = 0; method < methods_counted; ++method)
        for (std::size_t status = 0; status < status_classes; ++status)
            to.line("co_http_proxy_requests_total{{method=\"{}\",code=\"{}\"}} {}", method_name(method),
                    status_names[status],
                    sum(loops, [&](const loop_figures& one) -> const figure& { return one.answered[method][status]; }));
    to.family("refusals_total", "counter", "Answers of the proxy's own that report a fault.");
    for (std::size_t index = 0; index < static_cast<std::size_t>(refusal_reason::count); ++index)
        to.labelled("refusals_total", "reason", name_of(static_cast<refusal_reason>(index)),
                    sum(loops, [&](const loop_figures& one) -> const figure& { return one.refused_by[index]; }));
    to.family("limited_total", "counter", "Requests, tunnels and connections that a limit denied or ended.");
    for (std::size_t index = 1; index < limit_kinds; ++index)
        to.labelled("limited_total", "limit", name_of(static_cast<limit_kind>(index)),
                    sum(loops, [&](const loop_figures& one) -> const figure& { return one.limited[index]; }));
    to.family("upstream_connect_failures_total", "counter", "Origins that could not be reached.");
    for (std::size_t index = 0; index < static_cast<std::size_t>(connect_failure::count); ++index)
        to.labelled("upstream_connect_failures_total", "reason", name_of(static_cast<connect_failure>(index)),
                    sum(loops, [&](const loop_figures& one) -> const figure& { return one.connect_failures[index]; }));
    to.family("transferred_bytes_total", "counter", "Bytes sent to origins (up) and to clients (down).");
    to.labelled("transferred_bytes_total", "direction", "up", sum(loops, &loop_figures::bytes_up));
    to.labelled("transferred_bytes_total", "direction", "down", sum(loops, &loop_figures::bytes_down));
}

void append_parents(page& to, const std::vector<process_figures::parent>& all) {
    if (all.empty()) return;
    const auto family = [&](std::string_view name, std::string_view type, std::string_view help, auto pick) {
        to.family(name, type, help);
        for (const process_figures::parent& each : all) to.labelled(name, "parent", each.name, pick(each));
    };
    using parent = process_figures::parent;
    family("parent_up", "gauge", "1 while requests are sent to this parent.",
           [](const parent& one) { return one.up ? 1 : 0; });
    family("parent_connections", "gauge", "Tunnels and requests through it now.",
           [](const parent& one) { return one.connections; });
    family("parent_connects_total", "counter", "Connections to it that were made.",
           [](const parent& one) { return one.connects; });
    family("parent_failures_total", "counter", "Connections to it that failed, or that it broke off at once.",
           [](const parent& one) { return one.failures; });
    family("parent_check_failures_total", "counter", "Checks that failed.",
           [](const parent& one) { return one.checks_failed; });
}

}  // namespace

void append_histogram(std::string& out, std::string_view name, std::string_view help,
                      const std::vector<const span_histogram*>& parts) {
    page to(out);
    to.family(name, "histogram", help);
    std::uint64_t count = 0, sum_ns = 0;
    for (std::size_t index = 0; index <= span_histogram::bounds_s.size(); ++index) {
        for (const span_histogram* one : parts) count += one->in_bucket(index);
        if (index < span_histogram::bounds_s.size())
            to.line("co_http_proxy_{}_bucket{{le=\"{}\"}} {}", name, span_histogram::bounds_s[index], count);
        else
            to.line("co_http_proxy_{}_bucket{{le=\"+Inf\"}} {}", name, count);
    }
    for (const span_histogram* one : parts) sum_ns += one->sum_ns();
    to.line("co_http_proxy_{}_sum {}.{:09}", name, sum_ns / 1'000'000'000, sum_ns % 1'000'000'000);
    to.line("co_http_proxy_{}_count {}", name, count);
}

void append_metrics(std::string& out, const seeing& all, const process_figures& process) {
    page to(out);
    const std::vector<const loop_figures*> loops = all_loops(all);
    to.family("build_info", "gauge", "1, with the version as a label.");
    to.labelled("build_info", "version", version_text, 1);
    to.single("start_time_seconds", "gauge", "When the proxy started, in seconds since 1970.",
              fmt::format("{:.3f}", process.start_time_s));
    to.single("draining", "gauge", "1 while the proxy ends and accepts nobody.", process.draining ? 1 : 0);
    to.single("open_connections", "gauge", "Connections of clients now.", process.open_connections);
    to.single("connections_limit", "gauge", "Connections of clients that are allowed.", process.connections_max);
    to.single("memory_resident_bytes", "gauge", "Memory that is resident.", process.memory_resident_bytes);
    to.single("memory_limit_bytes", "gauge", "Above it new requests are refused; 0: no limit.",
              process.memory_limit_bytes);
    to.single("shedding", "gauge", "1 while new requests are refused for want of memory.", process.shedding ? 1 : 0);
    for (const row& one : rows) to.single(one.name, one.type, one.help, sum(loops, one.which));
    append_requests(to, loops);
    append_parents(to, process.parents);
    std::vector<const span_histogram*> first_bytes, connects;
    for (const loop_figures* one : loops) {
        first_bytes.push_back(&one->first_byte);
        connects.push_back(&one->connect_time);
    }
    append_histogram(out, "first_byte_seconds",
                     "From a request's head to the first byte of its answer, or to a CONNECT's.", first_bytes);
    append_histogram(out, "upstream_connect_seconds", "Until a connection to an origin was made, without its name.",
                     connects);
    const access_log* const log = all.log();
    to.single("access_log_dropped_records_total", "counter", "Records that found no room.", log ? log->dropped() : 0);
    to.single("access_log_failures_total", "counter", "Times that the access log's file began to refuse.",
              log ? log->failures() : 0);
    for (const row& one : loop_rows) {
        to.family(one.name, one.type, one.help);
        for (std::size_t index = 0; index < loops.size(); ++index)
            to.labelled(one.name, "loop", std::to_string(index), (loops[index]->*one.which).get());
    }
}

}  // namespace co_wq::proxy
