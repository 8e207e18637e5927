#include "sim/report.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/fault.hpp"

namespace co_wq::sim {
namespace {

char* report_room = nullptr;
std::size_t report_size = 0;

std::atomic<std::uint64_t>* length_room = nullptr;

std::function<void()>& dump() {
    static std::function<void()> instance;
    return instance;
}

void tell(std::string_view why) {
    if (report_room) {
        const std::size_t length = std::min(why.size(), report_size - 1);
        std::memcpy(report_room, why.data(), length);
        report_room[length] = 0;
        return;
    }
    std::printf("FAILED: %.*s\n", static_cast<int>(why.size()), why.data());
    if (auto show = std::exchange(dump(), nullptr)) show();
    std::fflush(stdout);
}

void on_fault(const fault_report& report) noexcept {
    char text[512];
    std::snprintf(text, sizeof text, "%s: %s [%s] %s:%u %s", report.expression, report.message, report.operation,
                  report.where.file_name(), static_cast<unsigned>(report.where.line()), report.await_chain);
    tell(text);
}

}  // namespace

void fail(std::string_view why) {
    tell(why);
    if (report_room) ::_exit(3);
    set_fault_hook(nullptr);
    std::abort();
}

void fail_aloud() noexcept {
    report_room = nullptr;
    set_fault_hook(&on_fault);
}

void report_to(char* room, std::size_t size) noexcept {
    report_room = room;
    report_size = size;
    set_fault_hook(&on_fault);
}

void script_length(std::atomic<std::uint64_t>* room) noexcept { length_room = room; }

void tell_script_length(std::uint64_t steps) noexcept {
    if (length_room) *length_room = steps;
}

void set_dump(std::function<void()> show) { dump() = std::move(show); }

}  // namespace co_wq::sim
