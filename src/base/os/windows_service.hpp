// Services of Windows: to be one, to register one, and to remove it. Nothing of it is compiled elsewhere.
//
// For:        programs that the service control manager starts.
// Guarantees: the manager hears "start pending" until notify_supervisor says READY=1, "stop pending" from the first
//             order to stop or STOPPING=1 on, with a wait hint of EXTEND_TIMEOUT_USEC (stopping_message), and "stopped"
//             as the very last, with the body's exit code as the service-specific one if it is not 0. While a service
//             starts or stops, Windows hands it no controls.
// Threads:    run_service: the first one, and once; the body runs on another one with the same stack. The hook runs on
//             the first one, so it must not wait. is_service, service_name: any.
// Texts:      words are those of main: in the code page of the process. Names and accounts are UTF-8.
// Source:     StartServiceCtrlDispatcherW, RegisterServiceCtrlHandlerExW, SERVICE_STATUS, CreateServiceW,
//             CommandLineToArgvW ("Parsing C++ command-line arguments").
//
//   int body(const std::string& name, void* context);   // what main does elsewhere
//   result<int> code = os::run_service(&body, nullptr, &on_control);
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace co_wq::os {

enum class service_control : unsigned char {
    stop,  // SERVICE_CONTROL_STOP, PRESHUTDOWN, SHUTDOWN
    reload,  // SERVICE_CONTROL_PARAMCHANGE
    reopen,  // 128, the first one of a service's own
};
inline constexpr unsigned reopen_control = 128;
// Nothing: not one that a program hears of.
std::optional<service_control> service_control_of(unsigned long number) noexcept;

// The exit code of the body. Errors: not_supported, if the manager did not start this process.
result<int> run_service(int (*body)(const std::string& name, void* context), void* context,
                        void (*hook)(service_control) noexcept);
// From run_service on.
bool is_service() noexcept;
// The name that the manager knows this process by; for the body and all that it starts. Empty: this is no service.
const std::string& service_name() noexcept;
// What notify_supervisor says to the manager. False: this is no service.
bool tell_service_manager(std::string_view state) noexcept;

struct service_plan {
    std::string name, description;
    std::string account;  // NT AUTHORITY\LocalService, NT SERVICE\name, LocalSystem, ...: one without a password
    std::vector<std::string> words;  // of its command line, behind the program
    std::chrono::milliseconds stop_time{0};  // how long it may take to stop when the system goes down
};

// Registers this program: started with the system, started again when it fails, with an event source of its name. What
// is wrong, in words, and then nothing is left of it; "": done.
std::string install_service(const service_plan& plan);
// A service of this program that does not run, and its event source. What is wrong, in words; "": done.
std::string remove_service(const std::string& name);

// The folder that relative paths begin in, as a word. Errors: invalid_argument: the code page of the process does not
// have all its characters.
result<std::string> current_folder();
// From then on, libraries that are named without a folder come from System32 alone: others may write to this folder.
result<void> enter_folder(const std::string& folder);
// From then on the report of a fault goes to the log as errors, too: a service's standard error reaches nobody.
void log_faults() noexcept;

// One word of a command line, so that CommandLineToArgvW and main get it as it was; in quotes, if need be.
std::wstring quoted_word(std::wstring_view word);
// The program of a command line.
std::wstring program_of(std::wstring_view command_line);

int own_process() noexcept;
// Other processes whose program has the file name of this one; ours to see.
std::vector<int> processes_of_this_name();

}  // namespace co_wq::os
