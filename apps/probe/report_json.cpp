#include <fmt/format.h>

#include <cmath>
#include <iterator>

#include "probe/report.hpp"

namespace co_wq::probe {
namespace {

// Objects and lists that put their commas themselves.
class writer {
public:
    std::string take() { return std::move(text_); }

    void open(char bracket, std::string_view name = {}) {
        key(name);
        text_ += bracket;
        first_ = true;
    }
    void close(char bracket) {
        text_ += bracket;
        first_ = false;
    }
    void value(std::string_view name, std::string_view text) {
        key(name);
        quote(text);
    }
    void value(std::string_view name, const char* text) { value(name, std::string_view(text)); }
    void value(std::string_view name, bool yes) {
        key(name);
        text_ += yes ? "true" : "false";
    }
    void value(std::string_view name, double number) {
        key(name);
        text_ += std::isfinite(number) ? fmt::format("{}", number) : "null";
    }
    template <std::integral Number>
        requires(!std::same_as<Number, bool>)
    void value(std::string_view name, Number number) {
        key(name);
        text_ += fmt::format("{}", number);
    }

private:
    void key(std::string_view name) {
        if (!first_) text_ += ',';
        first_ = false;
        if (name.empty()) return;
        quote(name);
        text_ += ':';
    }
    void quote(std::string_view text) {
        text_ += '"';
        for (const char c : text) {
            if (c == '"' || c == '\\') {
                text_ += '\\';
                text_ += c;
            } else if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) {
                text_ += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
            } else {
                text_ += c;
            }
        }
        text_ += '"';
    }

    std::string text_;
    bool first_ = true;
};

void write(writer& to, std::string_view name, const histogram& of) {
    to.open('{', name);
    to.value("count", of.count());
    to.value("min_ns", of.min());
    to.value("mean_ns", of.mean());
    for (const double percent : shown_percents) to.value(fmt::format("p{}_ns", percent), of.at(percent));
    to.value("max_ns", of.max());
    to.close('}');
}

void write(writer& to, const load_options& chosen) {
    to.open('{', "options");
    to.value("url", chosen.way.target.text());
    to.value("way", chosen.way.name());
    to.value("proxy", chosen.way.through ? chosen.way.through->text() : "");
    to.value("connections", chosen.connections);
    to.value("threads", chosen.threads);
    to.value("rate", chosen.rate);
    to.value("duration_s", std::chrono::duration<double>(chosen.length).count());
    to.value("warmup_s", std::chrono::duration<double>(chosen.warmup).count());
    to.value("timeout_s", std::chrono::duration<double>(chosen.timeout).count());
    to.value("keep_alive", chosen.keep_alive);
    to.value("verify", chosen.verify);
    to.value("body_bytes", chosen.body_bytes);
    to.value("max_errors", chosen.max_errors);
    to.close('}');
}

void write_fault(writer& to, const figures& of) {
    const tally& total = of.total;
    to.open('{', "fault");
    to.value("mode", name_of(of.chosen.fault));
    if (of.chosen.fault == fault_kind::abort_at) to.value("phase", name_of(of.chosen.abort_phase));
    to.value("clients", of.chosen.rude());
    to.value("deeds", total.rude_deeds);
    to.value("answered", total.rude_answered);
    to.value("ended_by_peer", total.rude_ended);
    to.value("not_possible", total.rude_unable);
    to.value("innocents_harmed", total.failed_disturbed > 0);
    to.value("innocents_failed", total.failed_disturbed);
    write(to, "latency_before", total.calm);
    write(to, "latency_meanwhile", total.disturbed);
    to.close('}');
}

void write(writer& to, const figures& of) {
    const tally& total = of.total;
    to.open('{');
    write(to, of.chosen);
    to.value("measured_s", of.measured_s);
    to.value("interrupted", of.interrupted);
    to.value("descriptor_limit", of.descriptors);
    to.value("answers", total.answered);
    to.value("answers_in_time", total.in_time);
    to.value("rate", of.rate());
    to.value("body_bytes", total.bytes);
    to.value("errors", of.errors());
    to.open('{', "errors_by_kind");
    for (std::size_t i = 0; i < endings; ++i) {
        const auto how = static_cast<ending>(i);
        if (how != ending::answered && how != ending::stopped && total.failed.of(how))
            to.value(name_of(how), total.failed.of(how));
    }
    to.close('}');
    to.open('{', "examples");
    for (std::size_t i = 0; i < endings; ++i) {
        const auto how = static_cast<ending>(i);
        if (how != ending::answered && how != ending::stopped && total.failed.of(how))
            to.value(name_of(how), total.failed.example(how));
    }
    to.close('}');
    to.value("connections_opened", total.connections);
    to.value("connections_reopened", total.reopened);
    to.value("not_started", total.not_started);
    to.value("backlog_max", total.backlog_max);
    to.value("oldest_not_started_ns", total.oldest.count());
    write(to, "latency", total.latency);
    write(to, "service", total.service);
    write(to, "setup", total.setup);
    if (of.chosen.fault != fault_kind::none) write_fault(to, of);
    to.open('[', "seconds");
    for (const second& one : of.seconds) {
        to.open('{');
        to.value("answers", one.answered);
        to.value("errors", one.failed);
        to.value("backlog", one.backlog);
        to.value("p50_ns", one.p50_ns);
        to.value("p99_ns", one.p99_ns);
        to.close('}');
    }
    to.close(']');
    to.close('}');
}

void write_rounds(writer& to, std::string_view name, const std::vector<figures>& rounds) {
    to.open('[', name);
    for (const figures& one : rounds) write(to, one);
    to.close(']');
}

void write(writer& to, std::string_view name, const middle& of) {
    to.open('{', name);
    to.value("rate", of.rate);
    to.value("p50_ns", of.p50_ns);
    to.value("p99_ns", of.p99_ns);
    to.value("p99.9_ns", of.p999_ns);
    to.close('}');
}

}  // namespace

std::string json_report(const findings& found) {
    writer to;
    to.open('{');
    to.value("command", found.command);
    to.value("exit_code", exit_code(found));
    if (found.compared()) {
        const middle a = middle_of(found.direct), b = middle_of(found.measured);
        write(to, "median_direct", a);
        write(to, "median_proxy", b);
        middle ratio;
        ratio.rate = b.rate / a.rate;  // null where there is none
        ratio.p50_ns = b.p50_ns / a.p50_ns;
        ratio.p99_ns = b.p99_ns / a.p99_ns;
        ratio.p999_ns = b.p999_ns / a.p999_ns;
        to.open('{', "ratio");
        to.value("rate", ratio.rate);
        to.value("p50", ratio.p50_ns);
        to.value("p99", ratio.p99_ns);
        to.value("p99.9", ratio.p999_ns);
        to.close('}');
        write_rounds(to, "direct", found.direct);
    }
    write_rounds(to, found.compared() ? "proxy" : "runs", found.measured);
    to.close('}');
    return to.take() + "\n";
}

}  // namespace co_wq::probe
