// Log lines for people who run the programs. The library itself writes only at start-up, on degraded features
// and on faults; business output is the applications'.
//
// Threads: any. Lines are written whole, and each is one line: control characters are written as \x0a, so that what a
// peer sent can neither begin another line nor move a terminal's cursor.
//
//   co_wq::log::set_level(co_wq::log::level::debug);
//   co_wq::log::info("listening on {}", address);
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace co_wq::log {

enum class level : unsigned char { trace, debug, info, warn, error, off };

struct options {
    level minimum = level::info;
    std::string file;        // empty: standard error
    bool append = true;      // false: the file starts empty
    bool console = true;     // also standard error when a file is given
    // Also to the event log of Windows, as this source: milestones, warnings and errors, but for milestones at most 60
    // a minute, since clients cause some; how many were left out is told. Empty: not.
    std::string event_source{};
};

// Replaces where lines go; an error if the file cannot be opened (then nothing changes). That the event log cannot be
// opened is a warning.
result<void> configure(const options& wanted);
void set_level(level minimum) noexcept;
bool enabled(level wanted) noexcept;
// "trace" … "error", "off"; not_found for anything else.
result<level> level_from(std::string_view name) noexcept;

// Control characters as \x0a; of a longer text the beginning and "...".
std::string on_one_line(std::string_view text, std::size_t shown_max = std::string_view::npos);

void write(level at, std::string_view line);
// One of level info for whoever looks after the program: it has begun, reloaded, ended.
void write_milestone(std::string_view line);
void flush() noexcept;

template <class... Args>
void at(level where, fmt::format_string<Args...> text, Args&&... args) {
    if (enabled(where)) write(where, fmt::format(text, std::forward<Args>(args)...));
}
template <class... Args>
void trace(fmt::format_string<Args...> text, Args&&... args) {
    at(level::trace, text, std::forward<Args>(args)...);
}
template <class... Args>
void debug(fmt::format_string<Args...> text, Args&&... args) {
    at(level::debug, text, std::forward<Args>(args)...);
}
template <class... Args>
void info(fmt::format_string<Args...> text, Args&&... args) {
    at(level::info, text, std::forward<Args>(args)...);
}
template <class... Args>
void milestone(fmt::format_string<Args...> text, Args&&... args) {
    if (enabled(level::info)) write_milestone(fmt::format(text, std::forward<Args>(args)...));
}
template <class... Args>
void warn(fmt::format_string<Args...> text, Args&&... args) {
    at(level::warn, text, std::forward<Args>(args)...);
}
template <class... Args>
void error(fmt::format_string<Args...> text, Args&&... args) {
    at(level::error, text, std::forward<Args>(args)...);
}

}  // namespace co_wq::log
