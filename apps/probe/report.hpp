// Reports: what was measured, as text for people, as JSON for programs, and as a page with plots.
//
// Guarantees: the page is one file that loads nothing, is well-formed XML, runs no script, and follows the reader's
//             choice of light or dark. JSON has no number that JSON does not know (absent ones are null). What came
//             from outside is escaped.
// Units:      latencies in JSON are nanoseconds, in text and pages milliseconds.
#pragma once

#include <string>
#include <vector>

#include "probe/load.hpp"

namespace co_wq::probe {

// A measurement, or rounds of two that took turns.
struct findings {
    std::string command;            // as it was typed, without passwords
    std::vector<figures> direct;    // compare only
    std::vector<figures> measured;  // run: one
    bool compared() const noexcept { return !direct.empty(); }
};

// Medians over rounds.
struct middle {
    double rate = 0, p50_ns = 0, p99_ns = 0, p999_ns = 0;
};
middle middle_of(const std::vector<figures>& rounds);

// Most rude clients got as far as to misbehave.
bool rude_enough(const figures& of) noexcept;
// Open loop: at most one request in a hundred never started.
bool rate_held(const figures& of) noexcept;
// Whether the well-behaved clients suffered from the others.
std::string innocents_text(const figures& of);

std::string text_report(const findings& found);
std::string json_report(const findings& found);
std::string html_report(const findings& found);

// 0: fine. 1: more errors than allowed, no answer at all in a whole run, or rude clients that could not misbehave.
int exit_code(const findings& found) noexcept;

// The percentiles that reports show.
inline constexpr double shown_percents[] = {50, 75, 90, 99, 99.9, 99.99};

}  // namespace co_wq::probe
