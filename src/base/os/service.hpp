// What a supervisor hands to a process and wants to hear from it, and whom the process runs as.
//
// For:        programs that systemd(1), or an older process of the same program, starts.
// Threads:    take_*: before there are threads, they change the environment. notify_supervisor: any.
// Windows:    the supervisor is the service control manager (windows_service.hpp), which hears READY and STOPPING.
//             Nothing is handed over: take_inherited has nothing, is_handed_over is false, watchdog_limit is none,
//             duplicate knows sockets only, handover_environment and reloading_message are empty, write_byte_and_close
//             does nothing; become_user is not_supported, whoever the user is. executable_path is as everywhere.
// Source:     sd_listen_fds(3), sd_notify(3), sd_watchdog_enabled(3), initgroups(3), setresuid(2).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace co_wq::os {

// Sockets that were open when the program began; close-on-exec from now on.
struct inherited {
    std::vector<int> listeners;  // the caller's
    int ready = -1;  // of a hand-over: a byte written here says that this process has taken over; the caller's
};

// Those that a supervisor gives (LISTEN_FDS, LISTEN_PID) or an older process of the same program
// (handover_environment). The variables are taken out of the environment, so that no child takes them for its own.
inherited take_inherited();
// Whether an older process of this program started this one and hands over. Before take_inherited.
bool is_handed_over() noexcept;
// For `ready`.
void write_byte_and_close(int handle) noexcept;
// Another descriptor for the same open file, close-on-exec; negative: none is left.
int duplicate(int handle) noexcept;
// What tells a child that it has `listeners` sockets from descriptor 3 up, and behind them one to report on: this
// process's environment without what concerns its own hand-over and supervision, and that.
std::vector<std::string> handover_environment(std::size_t listeners);

// Whether there is a supervisor that listens. READY=1, RELOADING=1, STOPPING=1, WATCHDOG=1, STATUS=..., one in a line.
// Never waits.
bool notify_supervisor(std::string_view state) noexcept;
// How often the supervisor wants to hear WATCHDOG=1; none: not at all. Half of it is a good interval.
std::optional<std::chrono::microseconds> watchdog_limit();
// RELOADING=1 wants the time with it: microseconds of CLOCK_MONOTONIC.
std::string reloading_message();
// STOPPING=1, and for a supervisor that has to be told, how long that may take.
std::string stopping_message(std::chrono::milliseconds limit);

// Drops to this user (a name or a number), its group and its further groups, for good. Only root may. not_found: no
// such user. Nothing, if this is that user already. files: given to the user before,
// so that it can open them again.
result<void> become_user(const std::string& user, const std::vector<std::string>& files = {});

// The program's own file, as it was started: a newer one may stand there now. Empty: not known.
std::string executable_path();

}  // namespace co_wq::os
