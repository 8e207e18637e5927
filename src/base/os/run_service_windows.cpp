#include <windows.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <exception>
#include <mutex>

#include "base/fault.hpp"
#include "base/log.hpp"
#include "base/os/windows.hpp"
#include "base/os/windows_service.hpp"
#include "base/os/windows_stack.hpp"

namespace co_wq::os {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds start_limit = 60s, stop_limit = 10s;
constexpr int failed = 1;

// What the manager knows of this process.
class service_state {
public:
    // Never destroyed: the manager's thread outlives main's statics.
    static service_state& get() noexcept {
        static auto* state = new service_state;
        return *state;
    }

    void begin(SERVICE_STATUS_HANDLE handle) noexcept {
        const std::scoped_lock guard(lock_);
        handle_ = handle;
        report(SERVICE_START_PENDING, start_limit);
    }
    // What comes late changes nothing: a reload may end in a drain.
    bool ready() noexcept {
        const std::scoped_lock guard(lock_);
        if (!handle_) return false;
        if (status_.dwCurrentState == SERVICE_START_PENDING) report(SERVICE_RUNNING, 0s);
        return true;
    }
    bool stopping(std::chrono::milliseconds limit) noexcept {
        const std::scoped_lock guard(lock_);
        if (!handle_) return false;
        if (status_.dwCurrentState != SERVICE_STOPPED) report(SERVICE_STOP_PENDING, limit);
        return true;
    }
    void stopped(int code) noexcept {
        const std::scoped_lock guard(lock_);
        status_.dwWin32ExitCode = code == 0 ? NO_ERROR : ERROR_SERVICE_SPECIFIC_ERROR;
        status_.dwServiceSpecificExitCode = static_cast<DWORD>(code);
        report(SERVICE_STOPPED, 0s);
    }

private:
    void report(DWORD state, std::chrono::milliseconds hint) noexcept {
        const bool pending = state == SERVICE_START_PENDING || state == SERVICE_STOP_PENDING;
        status_.dwServiceType = SERVICE_WIN32_OWN_PROCESS;
        status_.dwControlsAccepted = state == SERVICE_RUNNING
                                         ? SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_PRESHUTDOWN | SERVICE_ACCEPT_PARAMCHANGE
                                         : 0;
        status_.dwCheckPoint = !pending ? 0 : state == status_.dwCurrentState ? status_.dwCheckPoint + 1 : 1;
        status_.dwCurrentState = state;
        status_.dwWaitHint = static_cast<DWORD>(std::clamp<std::int64_t>(hint.count(), 0, 0x7fffffff));
        (void)::SetServiceStatus(handle_, &status_);
    }

    std::mutex lock_;
    SERVICE_STATUS_HANDLE handle_ = nullptr;
    SERVICE_STATUS status_{};
};

// What run_service was given, for the manager's threads.
struct {
    int (*body)(const std::string&, void*) = nullptr;
    void* context = nullptr;
    void (*hook)(service_control) noexcept = nullptr;
    std::string name;
    int code = failed;
    std::atomic<bool> runs{false};
} the_service;

DWORD WINAPI on_control(DWORD number, DWORD, void*, void*) noexcept {
    if (number == SERVICE_CONTROL_INTERROGATE) return NO_ERROR;
    const std::optional<service_control> what = service_control_of(number);
    if (!what) return ERROR_CALL_NOT_IMPLEMENTED;
    if (what == service_control::stop) service_state::get().stopping(stop_limit);
    the_service.hook(*what);
    return NO_ERROR;
}

void WINAPI service_main(DWORD count, wchar_t** words) noexcept {
    const wchar_t* const name = count > 0 ? words[0] : L"";
    const SERVICE_STATUS_HANDLE handle = ::RegisterServiceCtrlHandlerExW(name, &on_control, nullptr);
    if (!handle) return;
    service_state& state = service_state::get();
    state.begin(handle);
    try {
        the_service.name = from_wide(name);
        the_service.code = the_service.body(the_service.name, the_service.context);
    } catch (const std::exception&) {
        the_service.code = failed;
    }
    state.stopped(the_service.code);
}

}  // namespace

void log_faults() noexcept {
    set_fault_hook([](const fault_report& report) noexcept {
        try {
            log::error("fault: {} (expected: {}, at {}:{}, {})", report.message, report.expression,
                       report.where.file_name(), report.where.line(), report.where.function_name());
            if (*report.operation != '\0' || *report.queue != '\0')
                log::error("fault: operation: {} (generation {}), queue: {} ({} references)", report.operation,
                           report.generation, report.queue, report.guard_references);
            if (*report.await_chain != '\0') log::error("fault: await chain, innermost first: {}", report.await_chain);
            std::string stack;
            for (std::size_t i = 0; i < report.stack_depth; ++i) {
                char frame[MAX_PATH + 64];
                stack.append(" ").append(frame, describe_frame(report.stack[i], frame, sizeof frame));
            }
            if (!stack.empty()) log::error("fault: stack, innermost first:{}", stack);
        } catch (const std::exception&) {  // no memory for it
        }
        log::flush();
    });
}

std::optional<service_control> service_control_of(unsigned long number) noexcept {
    switch (number) {
        case SERVICE_CONTROL_STOP:
        case SERVICE_CONTROL_SHUTDOWN:
        case SERVICE_CONTROL_PRESHUTDOWN: return service_control::stop;
        case SERVICE_CONTROL_PARAMCHANGE: return service_control::reload;
        case reopen_control: return service_control::reopen;
        default: return std::nullopt;
    }
}

result<int> run_service(int (*body)(const std::string&, void*), void* context, void (*hook)(service_control) noexcept) {
    the_service.body = body;
    the_service.context = context;
    the_service.hook = hook;
    wchar_t any[] = L"";  // of a process with one service, the name is not looked at
    const SERVICE_TABLE_ENTRYW table[] = {{any, reinterpret_cast<LPSERVICE_MAIN_FUNCTIONW>(&service_main)},
                                          {nullptr, nullptr}};
    the_service.runs = true;
    if (::StartServiceCtrlDispatcherW(table)) return the_service.code;
    const DWORD why = ::GetLastError();
    the_service.runs = false;
    return fail(why == ERROR_FAILED_SERVICE_CONTROLLER_CONNECT ? error(errc::not_supported, static_cast<int>(why))
                                                               : from_windows(why));
}

bool is_service() noexcept { return the_service.runs; }
const std::string& service_name() noexcept { return the_service.name; }

bool tell_service_manager(std::string_view state) noexcept {
    bool ready = false, stopping = false;
    std::chrono::milliseconds limit = stop_limit;
    while (!state.empty()) {
        const std::string_view line = state.substr(0, state.find('\n'));
        state.remove_prefix(std::min(line.size() + 1, state.size()));
        constexpr std::string_view extend = "EXTEND_TIMEOUT_USEC=";
        std::int64_t us = 0;
        if (line == "READY=1") ready = true;
        if (line == "STOPPING=1") stopping = true;
        if (line.starts_with(extend) &&
            std::from_chars(line.data() + extend.size(), line.data() + line.size(), us).ec == std::errc())
            limit = std::chrono::ceil<std::chrono::milliseconds>(std::chrono::microseconds(us));
    }
    if (stopping) return service_state::get().stopping(limit);
    return ready && service_state::get().ready();
}

}  // namespace co_wq::os
