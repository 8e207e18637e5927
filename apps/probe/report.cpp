#include "probe/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace co_wq::probe {
namespace {

using out = std::back_insert_iterator<std::string>;

double milliseconds(std::uint64_t nanoseconds) noexcept { return static_cast<double>(nanoseconds) / 1e6; }

std::string percent_name(double percent) { return fmt::format("p{}", percent); }

void latency_head(out to) {
    fmt::format_to(to, "{:<12}", "ms");
    for (const double percent : shown_percents) fmt::format_to(to, "{:>10}", percent_name(percent));
    fmt::format_to(to, "{:>10}{:>10}\n", "max", "mean");
}

void latency_row(out to, const char* name, const histogram& of) {
    if (of.count() == 0) return;
    fmt::format_to(to, "{:<12}", name);
    for (const double percent : shown_percents) fmt::format_to(to, "{:>10.3f}", milliseconds(of.at(percent)));
    fmt::format_to(to, "{:>10.3f}{:>10.3f}\n", milliseconds(of.max()), of.mean() / 1e6);
}

void failures_text(out to, const failures& of) {
    for (std::size_t i = 0; i < endings; ++i) {
        const auto how = static_cast<ending>(i);
        if (how == ending::answered || how == ending::stopped || of.of(how) == 0) continue;
        fmt::format_to(to, "  {:<20}{:>10}  such as: {}\n", name_of(how), of.of(how), on_one_line(of.example(how)));
    }
}

void fault_text(out to, const figures& of) {
    const tally& total = of.total;
    fmt::format_to(to, "rude clients {} ({}{}), {} deeds: {} answered, {} ended by the other side, {} not possible\n",
                   of.chosen.rude(), name_of(of.chosen.fault),
                   of.chosen.fault == fault_kind::abort_at ? std::string(":") + name_of(of.chosen.abort_phase) : "",
                   total.rude_deeds, total.rude_answered, total.rude_ended, total.rude_unable);
    latency_row(to, "before", total.calm);
    latency_row(to, "meanwhile", total.disturbed);
    fmt::format_to(to, "{}\n", innocents_text(of));
}

void run_text(out to, const figures& of) {
    const load_options& chosen = of.chosen;
    const tally& total = of.total;
    fmt::format_to(to, "{} ({}{})\n", chosen.way.target.text(), chosen.way.name(),
                   chosen.way.through ? " " + chosen.way.through->text() : "");
    fmt::format_to(to, "{} connections, {}, {}, {:.1f} s{}\n\n", chosen.connections,
                   chosen.keep_alive ? "kept alive" : "one per request",
                   chosen.rate > 0 ? fmt::format("open loop at {} /s", chosen.rate) : "closed loop", of.measured_s,
                   of.interrupted ? ", interrupted" : "");
    fmt::format_to(
        to, "answers     {:>10}  {:.1f} /s  {:.2f} MB/s\n", total.answered, of.rate(),
        total.answered ? of.rate() * static_cast<double>(total.bytes) / static_cast<double>(total.answered) / 1e6 : 0);
    fmt::format_to(to, "errors      {:>10}\n", of.errors());
    failures_text(to, total.failed);
    if (total.failed.of(ending::descriptors))
        fmt::format_to(to,
                       "  this process may have {} descriptors open (ulimit -n): allow more or use fewer "
                       "connections\n",
                       of.descriptors);
    if (chosen.rate > 0) {
        fmt::format_to(to, "backlog     {:>10}  at most; {} never started, the oldest late by {:.1f} ms\n",
                       total.backlog_max, total.not_started, static_cast<double>(total.oldest.count()) / 1e6);
        if (!rate_held(of)) fmt::format_to(to, "  the rate was not held: latencies are those of what did start\n");
    }
    fmt::format_to(to, "connections {:>10}  opened, {} of them for kept ones that were closed\n\n", total.connections,
                   total.reopened);
    latency_head(to);
    latency_row(to, "latency", total.latency);
    if (chosen.rate > 0) latency_row(to, "service", total.service);
    latency_row(to, "set-up", total.setup);
    if (chosen.fault != fault_kind::none) fmt::format_to(to, "\n");
    if (chosen.fault != fault_kind::none) fault_text(to, of);
}

void compare_text(out to, const findings& found) {
    const middle a = middle_of(found.direct), b = middle_of(found.measured);
    const figures& first = found.measured.front();
    fmt::format_to(to, "{}: direct against {} {}\n{} rounds of each in turn, medians\n\n",
                   first.chosen.way.target.text(), first.chosen.way.name(), first.chosen.way.through->text(),
                   found.measured.size());
    fmt::format_to(to, "{:<16}{:>12}{:>12}{:>10}\n", "", "direct", "proxy", "ratio");
    const auto row = [&](const char* name, double left, double right) {
        fmt::format_to(to, "{:<16}{:>12.3f}{:>12.3f}{:>10}\n", name, left, right,
                       left > 0 ? fmt::format("{:.3f}", right / left) : "-");
    };
    row("answers /s", a.rate, b.rate);
    row("p50 ms", a.p50_ns / 1e6, b.p50_ns / 1e6);
    row("p99 ms", a.p99_ns / 1e6, b.p99_ns / 1e6);
    row("p99.9 ms", a.p999_ns / 1e6, b.p999_ns / 1e6);
    for (const auto* side : {&found.direct, &found.measured}) {
        failures sum;
        for (const figures& one : *side) sum.merge(one.total.failed);
        fmt::format_to(to, "errors, {:<8}{:>12}\n", side == &found.direct ? "direct" : "proxy", sum.total());
        failures_text(to, sum);
    }
}

}  // namespace

bool rude_enough(const figures& of) noexcept {
    return of.total.rude_deeds > 0 && of.total.rude_unable * 2 <= of.total.rude_deeds;
}

bool rate_held(const figures& of) noexcept {
    return of.total.not_started * 100 <= of.total.answered + of.total.failed.total() + of.total.not_started;
}

std::string innocents_text(const figures& of) {
    const tally& total = of.total;
    if (total.failed_disturbed)
        return fmt::format("innocents were HARMED: {} errors since the rude clients came", total.failed_disturbed);
    if (!rude_enough(of))
        return fmt::format("NOT TESTED: the rude clients could not misbehave ({} of {} times not)", total.rude_unable,
                           total.rude_deeds);
    if (total.disturbed.count() == 0) return "NOT TESTED: nobody was measured while the rude clients were there";
    const double before = static_cast<double>(total.calm.at(99));
    return fmt::format("innocents unharmed: {} answers, none wrong{}", total.disturbed.count(),
                       before > 0 ? fmt::format("; p99 {:.2f} times that of before",
                                                static_cast<double>(total.disturbed.at(99)) / before)
                                  : "");
}

middle middle_of(const std::vector<figures>& rounds) {
    const auto median = [&](auto&& value) {
        std::vector<double> all;
        for (const figures& one : rounds) all.push_back(value(one));
        if (all.empty()) return 0.0;
        std::ranges::sort(all);
        const std::size_t half = all.size() / 2;
        return all.size() % 2 ? all[half] : (all[half - 1] + all[half]) / 2;
    };
    middle made;
    made.rate = median([](const figures& one) { return one.rate(); });
    made.p50_ns = median([](const figures& one) { return static_cast<double>(one.total.latency.at(50)); });
    made.p99_ns = median([](const figures& one) { return static_cast<double>(one.total.latency.at(99)); });
    made.p999_ns = median([](const figures& one) { return static_cast<double>(one.total.latency.at(99.9)); });
    return made;
}

std::string text_report(const findings& found) {
    std::string text;
    if (found.compared()) {
        compare_text(out(text), found);
    } else {
        run_text(out(text), found.measured.front());
    }
    return text;
}

int exit_code(const findings& found) noexcept {
    std::uint64_t errors = 0;
    bool silent = false;
    for (const auto* side : {&found.direct, &found.measured}) {
        for (const figures& one : *side) {
            errors += one.errors();
            if (one.interrupted) continue;
            silent = silent || one.total.answered == 0;
            silent = silent || (one.chosen.fault != fault_kind::none && !rude_enough(one));
        }
    }
    return silent || errors > found.measured.front().chosen.max_errors ? 1 : 0;
}

}  // namespace co_wq::probe
