// What of the log goes to the event log, and that faults go to the log. The linker puts two functions of this file
// before the real ones (--wrap): the clock's, which is set forward here, and the event log's, so that its events are
// seen.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <source_location>
#include <string>
#include <utility>
#include <vector>

#include "base/fault.hpp"
#include "base/log.hpp"
#include "base/os/event_log.hpp"
#include "base/os/windows_service.hpp"

using namespace co_wq;

namespace {

using kind = os::event_log::kind;

std::chrono::nanoseconds put_forward{0};
std::vector<std::pair<kind, std::string>> events;

}  // namespace

extern "C" {
std::int64_t __real__ZNSt6chrono3_V212steady_clock3nowEv() noexcept;
std::int64_t __wrap__ZNSt6chrono3_V212steady_clock3nowEv() noexcept;
void __real__ZN5co_wq2os9event_log6reportENS1_4kindESt17basic_string_viewIcSt11char_traitsIcEE(
    os::event_log*, kind, std::string_view) noexcept;
void __wrap__ZN5co_wq2os9event_log6reportENS1_4kindESt17basic_string_viewIcSt11char_traitsIcEE(
    os::event_log*, kind, std::string_view) noexcept;

// A time point is returned as its number is.
std::int64_t __wrap__ZNSt6chrono3_V212steady_clock3nowEv() noexcept {
    return __real__ZNSt6chrono3_V212steady_clock3nowEv() + put_forward.count();
}

void __wrap__ZN5co_wq2os9event_log6reportENS1_4kindESt17basic_string_viewIcSt11char_traitsIcEE(
    os::event_log* log, kind what, std::string_view text) noexcept {
    events.emplace_back(what, text);
    __real__ZN5co_wq2os9event_log6reportENS1_4kindESt17basic_string_viewIcSt11char_traitsIcEE(log, what, text);
}
}

namespace {

class windows_log : public testing::Test {
protected:
    windows_log() {
        put_forward += std::chrono::minutes(2);  // what the test before wrote does not count
        log::options wanted;
        wanted.console = false;
        wanted.event_source = "co_wq_test_log";
        EXPECT_TRUE(log::configure(wanted).has_value());
        log::milestone("begin");  // the minute, with what the one before left out
        events.clear();
    }
    ~windows_log() override {
        EXPECT_TRUE(log::configure({}).has_value());
        set_fault_hook(nullptr);
    }
};

TEST_F(windows_log, milestones_warnings_and_errors_are_events) {
    log::milestone("started {}", 1);
    log::info("somebody came");
    log::warn("a warning");
    log::error("an error\nof two lines");
    ASSERT_EQ(events.size(), 3u);
    EXPECT_EQ(events[0], std::pair(kind::information, std::string("started 1")));
    EXPECT_EQ(events[1], std::pair(kind::warning, std::string("a warning")));
    EXPECT_EQ(events[2], std::pair(kind::error, std::string("an error\\x0aof two lines")));
}

TEST_F(windows_log, at_most_60_a_minute_and_how_many_more_there_were) {
    for (int i = 0; i < 100; ++i) log::warn("warning {}", i);
    for (int i = 0; i < 100; ++i) log::error("error {}", i);
    ASSERT_EQ(events.size(), 60u);
    EXPECT_EQ(events.back().second, "warning 59");
    log::milestone("draining");
    ASSERT_EQ(events.size(), 61u) << "milestones are always there";
    put_forward += std::chrono::seconds(20);
    log::error("still the same minute");
    ASSERT_EQ(events.size(), 61u);
    put_forward += std::chrono::seconds(40);
    log::warn("the next minute");
    ASSERT_EQ(events.size(), 63u);
    EXPECT_EQ(events[61].first, kind::warning);
    EXPECT_TRUE(events[61].second.starts_with("141 warnings and errors were left out")) << events[61].second;
    EXPECT_EQ(events[62].second, "the next minute");
    for (int i = 0; i < 59; ++i) log::warn("warning {}", i);
    EXPECT_EQ(events.size(), 63u + 59u);
    put_forward += std::chrono::minutes(2);
    log::warn("nothing was left out");
    EXPECT_EQ(events.size(), 63u + 60u);
}

TEST_F(windows_log, without_a_source_there_are_no_events) {
    ASSERT_TRUE(log::configure({}).has_value());
    log::error("an error");
    EXPECT_TRUE(events.empty());
}

TEST_F(windows_log, has_the_report_of_a_fault) {
    const std::filesystem::path file =
        std::filesystem::temp_directory_path() / ("co_wq_fault_" + std::to_string(os::own_process()));
    log::options wanted;
    wanted.console = false;
    wanted.file = file.string();
    wanted.event_source = "co_wq_test_log";
    ASSERT_TRUE(log::configure(wanted).has_value());
    os::log_faults();
    const fault_hook hook = set_fault_hook(nullptr);
    ASSERT_NE(hook, nullptr);
    void* const here[] = {reinterpret_cast<void*>(hook)};
    fault_report report;
    report.message = "a queue is used by one thread";
    report.expression = "is_owner()";
    report.where = std::source_location::current();
    report.operation = "recv, submitted";
    report.queue = "loop 1";
    report.await_chain = "  pump.cpp:12\n  session.cpp:34\n";
    report.stack = here;
    report.stack_depth = 1;
    hook(report);
    std::ifstream written(file);
    const std::string text((std::istreambuf_iterator<char>(written)), std::istreambuf_iterator<char>());
    for (const std::string& each : {std::string(report.message), std::string("is_owner()"),
                                    std::string("windows_log_test.cpp:"), std::string("recv, submitted"),
                                    std::string("loop 1"), std::string("session.cpp:34"), std::string(".exe+0x")}) {
        EXPECT_NE(text.find(each), std::string::npos) << each << " in " << text;
        EXPECT_TRUE(std::ranges::any_of(events, [&](const auto& event) {
            return event.first == kind::error && event.second.find(each) != std::string::npos;
        })) << each;
    }
    written.close();
    ASSERT_TRUE(log::configure({}).has_value());
    std::filesystem::remove(file);
}

}  // namespace
