#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "probe/plot.hpp"
#include "probe/report.hpp"

namespace co_wq::probe {
namespace {

using out = std::back_insert_iterator<std::string>;

constexpr std::string_view style = R"(
:root { color-scheme: light dark; --page: #f7f7f5; --card: #ffffff; --ink: #1c1d1f; --soft: #63666b; --rule: #e2e2de;
  --c0: #2468c8; --c1: #c2590c; --c2: #c62f3b; --good: #1d7a46; --bad: #c62f3b; }
@media (prefers-color-scheme: dark) { :root { --page: #141517; --card: #1d1f22; --ink: #e9e9e6; --soft: #a0a4aa;
  --rule: #35383d; --c0: #6ea8ff; --c1: #ff9d57; --c2: #ff7079; --good: #5fce90; --bad: #ff7079; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 28px 16px 48px; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 880px; margin: 0 auto; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 17px; margin: 0 0 10px; }
p { margin: 4px 0; color: var(--soft); } code { font: 13px ui-monospace, "DejaVu Sans Mono", monospace;
  overflow-wrap: anywhere; }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 18px 20px;
  margin-top: 16px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 12px; margin-top: 16px; }
.tile { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 12px 16px; }
.tile b { display: block; font-size: 22px; font-weight: 600; font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: 13px; }
.good { color: var(--good); } .bad { color: var(--bad); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 5px 8px; border-bottom: 1px solid var(--rule); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } th { color: var(--soft); font-weight: 500; font-size: 13px; }
td.say { white-space: normal; text-align: left; overflow-wrap: anywhere; }
svg { width: 100%; height: auto; display: block; } .grid { stroke: var(--rule); stroke-width: 1; }
.mark { fill: var(--soft); font-size: 11px; } .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.area { stroke: none; opacity: .14; } .legend span { margin-right: 16px; font-size: 13px; color: var(--soft); }
.legend i { display: inline-block; width: 14px; height: 3px; border-radius: 2px; margin-right: 6px;
  vertical-align: middle; }
.line.line-0 { stroke: var(--c0); } .line.line-1 { stroke: var(--c1); } .line.line-2 { stroke: var(--c2); }
.area.line-0, .dot.line-0 { fill: var(--c0); } .area.line-1, .dot.line-1 { fill: var(--c1); }
.area.line-2, .dot.line-2 { fill: var(--c2); }
i.line-0 { background: var(--c0); } i.line-1 { background: var(--c1); } i.line-2 { background: var(--c2); }
)";

double milliseconds(std::uint64_t nanoseconds) noexcept { return static_cast<double>(nanoseconds) / 1e6; }

void tile(out to, std::string_view name, std::string_view value, std::string_view mood = {}) {
    fmt::format_to(to, "<div class=\"tile\"><b class=\"{}\">{}</b><span>{}</span></div>\n", mood, escaped(value),
                   escaped(name));
}

void card(out to, const plot& of, std::string_view note) {
    fmt::format_to(to, "<section class=\"card\"><h2>{}</h2>\n<p class=\"legend\">", escaped(of.title));
    for (const plot_line& line : of.lines)
        fmt::format_to(to, "<span><i class=\"line-{}\"></i>{}</span>", line.colour, escaped(line.name));
    fmt::format_to(to, "<span>{}</span></p>\n{}\n<p>{}</p></section>\n", escaped(of.y_name), of.svg(), escaped(note));
}

// Percentiles against the logarithm of how few lie above.
plot_line percentile_line(const histogram& of, const std::string& name, unsigned colour) {
    plot_line made{.name = name, .colour = colour, .points = {}, .filled = false};
    if (of.count() == 0) return made;
    const double last = std::log10(static_cast<double>(std::max<std::uint64_t>(of.count(), 10)));
    for (double x = 0; x < last; x += 0.02)
        made.points.emplace_back(x, std::max(1e-6, milliseconds(of.at(100 * (1 - std::pow(10, -x))))));
    made.points.emplace_back(last, std::max(1e-6, milliseconds(of.max())));
    return made;
}

plot percentile_plot(std::vector<plot_line> lines) {
    plot made;
    made.title = "Latency by percentile";
    made.y_name = "ms, logarithmic";
    made.y_logarithmic = true;
    for (const plot_line& line : lines) {
        if (!line.points.empty()) made.x_max = std::max(made.x_max, line.points.back().first);
    }
    made.x_marks.emplace_back(0, "0%");
    made.x_marks.emplace_back(std::log10(2), "50%");
    std::string nines = "90%";
    for (double x = 1; x <= made.x_max; ++x) {
        made.x_marks.emplace_back(x, nines);
        nines = x == 1 ? "99%" : x == 2 ? "99.9%" : nines.substr(0, nines.size() - 1) + "9%";
    }
    made.lines = std::move(lines);
    return made;
}

plot time_plot(const figures& of, const char* title, const char* y_name) {
    plot made;
    made.title = title;
    made.y_name = y_name;
    made.x_max = std::max<double>(1, static_cast<double>(of.seconds.size()));
    made.x_marks = count_marks(made.x_max);
    made.x_min = made.x_max > 1 ? 1 : 0;
    std::erase_if(made.x_marks, [&](const auto& mark) { return mark.first < made.x_min; });
    return made;
}

template <class Value>
plot_line line_of(const figures& of, const char* name, unsigned colour, Value&& value) {
    plot_line made{.name = name, .colour = colour, .points = {}, .filled = false};
    for (std::size_t i = 0; i < of.seconds.size(); ++i)
        made.points.emplace_back(static_cast<double>(i + 1), value(of.seconds[i]));
    return made;
}

void latency_row(out to, std::string_view name, const histogram& of) {
    if (of.count() == 0) return;
    fmt::format_to(to, "<tr><td>{}</td>", escaped(name));
    for (const double percent : shown_percents) fmt::format_to(to, "<td>{:.3f}</td>", milliseconds(of.at(percent)));
    fmt::format_to(to, "<td>{:.3f}</td><td>{:.3f}</td><td>{}</td></tr>\n", milliseconds(of.max()), of.mean() / 1e6,
                   of.count());
}

void latency_head(out to) {
    fmt::format_to(to, "<section class=\"card\"><h2>Latency, ms</h2><div class=\"scroll\"><table><tr><th></th>");
    for (const double percent : shown_percents) fmt::format_to(to, "<th>p{}</th>", percent);
    fmt::format_to(to, "<th>max</th><th>mean</th><th>count</th></tr>\n");
}

void latency_foot(out to) { fmt::format_to(to, "</table></div></section>\n"); }

void errors_card(out to, const failures& of) {
    if (of.total() == 0) return;
    fmt::format_to(to,
                   "<section class=\"card\"><h2>Errors</h2><div class=\"scroll\"><table><tr><th>kind</th>"
                   "<th>count</th><th></th></tr>\n");
    for (std::size_t i = 0; i < endings; ++i) {
        const auto how = static_cast<ending>(i);
        if (how == ending::answered || how == ending::stopped || of.of(how) == 0) continue;
        fmt::format_to(to, "<tr><td>{}</td><td>{}</td><td class=\"say\">such as: {}</td></tr>\n", name_of(how),
                       of.of(how), escaped(on_one_line(of.example(how))));
    }
    fmt::format_to(to, "</table></div></section>\n");
}

std::string page(const std::string& title, const std::string& about, const std::string& command,
                 const std::string& body) {
    return fmt::format(
        "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\"><head>"
        "<meta charset=\"utf-8\"/><meta name=\"viewport\" content=\"width=device-width\"/>"
        "<title>{}</title><style>{}</style></head>\n<body><main>\n<h1>{}</h1>\n<p>{}</p>\n"
        "<p><code>{}</code></p>\n{}</main></body></html>\n",
        escaped(title), style, escaped(title), escaped(about), escaped(command), body);
}

void tables(out to, const figures& of) {
    latency_head(to);
    latency_row(to, "latency", of.total.latency);
    if (of.chosen.rate > 0) latency_row(to, "service", of.total.service);
    latency_row(to, "set-up", of.total.setup);
    latency_row(to, "before rude clients", of.total.calm);
    latency_row(to, "among rude clients", of.total.disturbed);
    latency_foot(to);
    errors_card(to, of.total.failed);
}

void plots(out to, const figures& of) {
    std::vector<plot_line> curves{percentile_line(of.total.latency, "latency", 0)};
    if (of.chosen.rate > 0) curves.push_back(percentile_line(of.total.service, "service time", 1));
    if (of.total.calm.count() && of.total.disturbed.count()) {
        curves = {percentile_line(of.total.calm, "before rude clients", 0),
                  percentile_line(of.total.disturbed, "among rude clients", 1)};
    }
    if (of.total.latency.count()) {
        const std::string_view note = of.chosen.rate > 0 ? "latency counts from when a request was to start, service "
                                                           "time from when it did"
                                                         : "good answers only";
        card(to, percentile_plot(std::move(curves)), note);
    }
    if (of.seconds.empty()) return;
    plot rate = time_plot(of, "Answers over time", "per second");
    rate.lines.push_back(line_of(of, "answers", 0, [](const second& s) { return static_cast<double>(s.answered); }));
    rate.lines.back().filled = true;
    card(to, rate, "seconds since the warm-up");
    plot errors = time_plot(of, "Errors over time", "per second");
    errors.lines.push_back(line_of(of, "errors", 2, [](const second& s) { return static_cast<double>(s.failed); }));
    errors.lines.back().filled = true;
    if (of.chosen.rate > 0) {
        errors.title = "Errors and backlog over time";
        errors.lines.push_back(
            line_of(of, "backlog", 1, [](const second& s) { return static_cast<double>(s.backlog); }));
    }
    card(to, errors, "seconds since the warm-up");
    plot latency = time_plot(of, "Latency over time", "ms, logarithmic");
    latency.y_logarithmic = true;
    const auto shown = [](std::uint64_t value) { return std::max(1e-6, milliseconds(value)); };
    latency.lines.push_back(line_of(of, "p50", 0, [&](const second& s) { return shown(s.p50_ns); }));
    latency.lines.push_back(line_of(of, "p99", 1, [&](const second& s) { return shown(s.p99_ns); }));
    for (plot_line& line : latency.lines) std::erase_if(line.points, [](const auto& at) { return at.second <= 1e-6; });
    card(to, latency, "seconds since the warm-up; seconds without answers are left out");
}

std::string run_page(const findings& found) {
    const figures& of = found.measured.front();
    const load_options& chosen = of.chosen;
    std::string body;
    const out to(body);
    fmt::format_to(to, "<div class=\"tiles\">\n");
    tile(to, "answers per second", fmt::format("{:.0f}", of.rate()));
    tile(to, "median", fmt::format("{:.3f} ms", milliseconds(of.total.latency.at(50))));
    tile(to, "p99", fmt::format("{:.3f} ms", milliseconds(of.total.latency.at(99))));
    tile(to, "errors", std::to_string(of.errors()), exit_code(found) ? "bad" : "good");
    if (chosen.rate > 0)
        tile(to, "never started", std::to_string(of.total.not_started), rate_held(of) ? "good" : "bad");
    fmt::format_to(to, "</div>\n");
    if (chosen.fault != fault_kind::none) {
        fmt::format_to(to,
                       "<section class=\"card\"><h2>Rude clients</h2><p>{} of {} ({}), from half-time on: {} deeds"
                       "</p><p class=\"{}\">{}</p></section>\n",
                       chosen.rude(), chosen.connections, name_of(chosen.fault), of.total.rude_deeds,
                       of.total.failed_disturbed || !rude_enough(of) ? "bad" : "good", escaped(innocents_text(of)));
    }
    plots(to, of);
    tables(to, of);
    const std::string about =
        fmt::format("{}{}, {} connections, {}, {}, {:.1f} s{}", chosen.way.name(),
                    chosen.way.through ? " " + chosen.way.through->text() : "", chosen.connections,
                    chosen.keep_alive ? "kept alive" : "one per request",
                    chosen.rate > 0 ? fmt::format("open loop at {} /s", chosen.rate) : "closed loop", of.measured_s,
                    of.interrupted ? ", interrupted" : "");
    return page(chosen.way.target.text(), about, found.command, body);
}

std::string ratio(double left, double right) { return left > 0 ? fmt::format("{:.3f}", right / left) : "-"; }

std::string compare_page(const findings& found) {
    const middle a = middle_of(found.direct), b = middle_of(found.measured);
    tally direct, measured;
    for (const figures& one : found.direct) direct.merge(one.total);
    for (const figures& one : found.measured) measured.merge(one.total);
    const std::uint64_t errors = direct.failed.total() + measured.failed.total();
    std::string body;
    const out to(body);
    fmt::format_to(to, "<div class=\"tiles\">\n");
    tile(to, "direct, answers per second", fmt::format("{:.0f}", a.rate));
    tile(to, "proxy, answers per second", fmt::format("{:.0f}", b.rate));
    tile(to, "ratio", ratio(a.rate, b.rate));
    tile(to, "errors", std::to_string(errors), exit_code(found) ? "bad" : "good");
    fmt::format_to(to,
                   "</div>\n<section class=\"card\"><h2>Medians of {} rounds</h2><div class=\"scroll\"><table>"
                   "<tr><th></th><th>direct</th><th>proxy</th><th>ratio</th></tr>\n",
                   found.measured.size());
    const auto row = [&](const char* name, double left, double right) {
        fmt::format_to(to, "<tr><td>{}</td><td>{:.3f}</td><td>{:.3f}</td><td>{}</td></tr>\n", name, left, right,
                       ratio(left, right));
    };
    row("answers per second", a.rate, b.rate);
    row("p50, ms", a.p50_ns / 1e6, b.p50_ns / 1e6);
    row("p99, ms", a.p99_ns / 1e6, b.p99_ns / 1e6);
    row("p99.9, ms", a.p999_ns / 1e6, b.p999_ns / 1e6);
    fmt::format_to(to, "</table></div></section>\n");
    if (direct.latency.count() && measured.latency.count()) {
        card(to,
             percentile_plot(
                 {percentile_line(direct.latency, "direct", 0), percentile_line(measured.latency, "proxy", 1)}),
             "all rounds together");
    }
    plot rate;
    rate.title = "Answers by round";
    rate.y_name = "per second";
    rate.x_min = 1;
    rate.x_max = std::max<double>(2, static_cast<double>(found.measured.size()));
    for (const auto& mark : count_marks(rate.x_max)) {
        if (mark.first >= 1) rate.x_marks.push_back(mark);
    }
    for (const auto* side : {&found.direct, &found.measured}) {
        const bool first = side == &found.direct;
        plot_line line{.name = first ? "direct" : "proxy", .colour = first ? 0u : 1u, .points = {}, .filled = false};
        for (const figures& one : *side)
            line.points.emplace_back(static_cast<double>(line.points.size() + 1), one.rate());
        rate.lines.push_back(std::move(line));
    }
    card(to, rate, "rounds of direct and proxy take turns");
    latency_head(to);
    latency_row(to, "direct", direct.latency);
    latency_row(to, "proxy", measured.latency);
    latency_foot(to);
    direct.failed.merge(measured.failed);
    errors_card(to, direct.failed);
    const load_options& chosen = found.measured.front().chosen;
    const std::string about =
        fmt::format("direct against {} {}, {} connections, {}", chosen.way.name(), chosen.way.through->text(),
                    chosen.connections, chosen.keep_alive ? "kept alive" : "one per request");
    return page(chosen.way.target.text(), about, found.command, body);
}

}  // namespace

std::string html_report(const findings& found) { return found.compared() ? compare_page(found) : run_page(found); }

}  // namespace co_wq::probe
