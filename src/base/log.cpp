#include "base/log.hpp"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <memory>
#include <mutex>
#include <vector>

#include "base/os/event_log.hpp"

namespace co_wq::log {
namespace {

std::atomic<level> minimum_level{level::info};

spdlog::level::level_enum to_spdlog(level value) noexcept {
    switch (value) {
        case level::trace: return spdlog::level::trace;
        case level::debug: return spdlog::level::debug;
        case level::info: return spdlog::level::info;
        case level::warn: return spdlog::level::warn;
        case level::error: return spdlog::level::err;
        case level::off: return spdlog::level::off;
    }
    return spdlog::level::info;
}

std::shared_ptr<spdlog::logger> make_logger(std::vector<spdlog::sink_ptr> sinks) {
    auto made = std::make_shared<spdlog::logger>("co_wq", sinks.begin(), sinks.end());
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
    made->set_level(spdlog::level::trace);
    made->flush_on(spdlog::level::info);
    return made;
}

std::mutex swap_lock;
std::shared_ptr<spdlog::logger>& current_logger() {
    static auto* logger =
        new std::shared_ptr<spdlog::logger>(make_logger({std::make_shared<spdlog::sinks::stderr_sink_mt>()}));
    return *logger;
}

std::shared_ptr<spdlog::logger> grab() {
    const std::scoped_lock guard(swap_lock);
    return current_logger();
}

// What goes to the system's event log, and how much of it: others have their events there, too.
class event_writer {
public:
    result<void> open(const std::string& source) {
        result<os::event_log> opened = source.empty() ? os::event_log() : os::event_log::open(source);
        const std::scoped_lock guard(lock_);
        const bool done = opened.has_value();
        on_.store(done && !source.empty(), std::memory_order_relaxed);
        to_ = done ? std::move(*opened) : os::event_log();
        if (!done) return std::unexpected(opened.error());
        return {};
    }
    void write(level at, std::string_view line, bool milestone) {
        if (!on_.load(std::memory_order_relaxed) || (!milestone && at < level::warn)) return;
        const std::scoped_lock guard(lock_);
        const auto now = std::chrono::steady_clock::now();
        if (now - since_ >= std::chrono::minutes(1)) {
            since_ = now;
            written_ = 0;
            if (const auto left_out = std::exchange(left_out_, 0); left_out > 0)
                to_.report(os::event_log::kind::warning,
                           fmt::format("{} warnings and errors were left out here; a log file has them", left_out));
        }
        if (!milestone && written_ >= minute_max) {
            ++left_out_;
            return;
        }
        if (!milestone) ++written_;
        to_.report(at >= level::error  ? os::event_log::kind::error
                   : at == level::warn ? os::event_log::kind::warning
                                       : os::event_log::kind::information,
                   line);
    }

private:
    static constexpr unsigned minute_max = 60;
    std::atomic<bool> on_{false};
    std::mutex lock_;
    os::event_log to_;
    std::chrono::steady_clock::time_point since_{};
    unsigned written_ = 0, left_out_ = 0;
};

event_writer& events() {
    static auto* all = new event_writer;
    return *all;
}

bool is_control(char each) noexcept {
    const auto byte = static_cast<unsigned char>(each);
    return byte < 0x20 || byte == 0x7f;
}

}  // namespace

std::string on_one_line(std::string_view text, std::size_t shown_max) {
    constexpr char digits[] = "0123456789abcdef";
    std::string out;
    out.reserve(std::min(text.size(), shown_max) + 16);
    for (const char each : text.substr(0, shown_max)) {
        const auto byte = static_cast<unsigned char>(each);
        if (is_control(each)) {
            out += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
        } else {
            out += each;
        }
    }
    return text.size() > shown_max ? out + "..." : out;
}

result<void> configure(const options& wanted) {
    std::vector<spdlog::sink_ptr> sinks;
    if (wanted.console || (wanted.file.empty() && wanted.event_source.empty()))
        sinks.push_back(std::make_shared<spdlog::sinks::stderr_sink_mt>());
    if (!wanted.file.empty()) {
        // opened here first: spdlog would make missing folders, and hides why an open failed
        std::FILE* file = std::fopen(wanted.file.c_str(), wanted.append ? "a" : "w");
        if (!file) return fail(from_errno(errno));
        std::fclose(file);
        try {
            sinks.push_back(std::make_shared<spdlog::sinks::basic_file_sink_mt>(wanted.file, false));
        } catch (const spdlog::spdlog_ex&) {
            return fail(from_errno(errno));
        }
    }
    auto made = make_logger(std::move(sinks));
    {
        const std::scoped_lock guard(swap_lock);
        current_logger() = std::move(made);
        minimum_level.store(wanted.minimum, std::memory_order_relaxed);
    }
    const result<void> opened = events().open(wanted.event_source);
    if (!opened) warn("the event log cannot be opened: {}", opened.error().message());
    return {};
}

void set_level(level minimum) noexcept { minimum_level.store(minimum, std::memory_order_relaxed); }

bool enabled(level wanted) noexcept {
    return wanted != level::off && wanted >= minimum_level.load(std::memory_order_relaxed);
}

result<level> level_from(std::string_view name) noexcept {
    constexpr std::string_view names[] = {"trace", "debug", "info", "warn", "error", "off"};
    for (unsigned char i = 0; i < std::size(names); ++i)
        if (names[i] == name) return static_cast<level>(i);
    return fail(errc::not_found);
}

namespace {

void write_line(level at, std::string_view line, bool milestone) {
    grab()->log(to_spdlog(at), line);
    events().write(at, line, milestone);
}

void write_on_one_line(level at, std::string_view line, bool milestone) {
    const bool plain = std::none_of(line.begin(), line.end(), is_control);
    if (plain) {
        write_line(at, line, milestone);
    } else {
        write_line(at, on_one_line(line), milestone);
    }
}

}  // namespace

void write(level at, std::string_view line) { write_on_one_line(at, line, false); }

void write_milestone(std::string_view line) { write_on_one_line(level::info, line, true); }

void flush() noexcept { grab()->flush(); }

}  // namespace co_wq::log
