// process: a child process that cannot be lost.
//
// For:        running other programs with pipes, limits and a certain end.
// Guarantees: - no shell; what the child gets is what `command` says: descriptors 0, 1, 2 and those in `files`, nothing
//               else that is open here, whoever opened it; no signal is blocked and none is ignored.
//             - a program that cannot be started is an error of spawn (the system's, failed_step() names the step), not
//               an exit code 127.
//             - signals go through a pidfd, so they never reach a stranger that got the same number.
//             - the child is reaped by its loop, whoever waits or not, and never stays a zombie: a process that is
//               destroyed (or closed) while its child lives ends the child (command::end_signal, then SIGKILL after
//               command::grace; by default SIGKILL at once), and the loop reaps it in passing. A loop that dies kills
//               what is left and waits for that, up to its shutdown_limit.
// Blocking:   spawn stops the loop's thread, as vfork(2) does, until the program is loaded (some 0.5 ms; a program on
//             a slow file system takes as long as that). The memory of this process is not copied, however large it
//             is. Nothing else here blocks.
// Requires:   Linux 5.4 (pidfd). Nobody else reaps children of this process by waitpid(-1), and SIGCHLD is not ignored:
//             the status is lost otherwise (wait: not_found), while the end is still noticed.
// Threads:    the loop's own; spawn itself is safe beside any other threads. The environment is read by spawn.
// Lifetime:   movable. Waits hold what they need: destroying the process ends them with `closed`.
// Errors:     of spawn: those of pipe2, open, clone and execve: not_found (no such program, or folder),
// permission_denied
//             (not executable), too_many_files, no_buffers (EAGAIN: RLIMIT_NPROC, pids.max), out_of_memory, other(8)
//             (ENOEXEC: no format of the system; scripts need a #! line), other(7) (E2BIG); not_supported: a simulated
//             loop, or no pidfd. of kill: not_found: it has ended.
// Source:     clone(2), CLONE_PIDFD; pidfd_send_signal(2); waitid(2), P_PIDFD; close_range(2).
//
//   io::command list("ls", {"-l"});
//   list.output = io::stdio::pipe();
//   result<io::process> child = io::process::spawn(loop, list);
//   result<io::lease> got = co_await child->output().recv_lease(4096);
//   result<io::exit_status> end = co_await child->wait();
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "io/pipe.hpp"
#include "io/signal.hpp"
#include "task/task.hpp"

namespace co_wq::io {

// What a child has as its standard input, output or error.
class stdio {
public:
    enum class kind : unsigned char { inherit, null, pipe, file };

    // This process's own, or closed if that is closed, or closed on exec.
    static stdio inherit() noexcept { return {kind::inherit, no_handle}; }
    static stdio null() noexcept { return {kind::null, no_handle}; }
    // This process has the other end: process::input, output, errors.
    static stdio pipe() noexcept { return {kind::pipe, no_handle}; }
    // An open file, in whatever mode it is; it stays the caller's, and must be open until spawn returns. A loop's own
    // descriptors are non-blocking, which most programs do not expect.
    static stdio file(native_handle given) noexcept { return {kind::file, given}; }

    kind what() const noexcept { return what_; }
    native_handle given() const noexcept { return given_; }

private:
    stdio(kind what, native_handle given) noexcept : what_(what), given_(given) {}
    kind what_;
    native_handle given_;
};

// What to run. Not an aggregate, so that it can be made where it is awaited.
class command {
public:
    // arguments: those behind the program's name.
    explicit command(std::string program, std::vector<std::string> arguments = {})
        : program(std::move(program)), arguments(std::move(arguments)) {}

    // With a slash: a path, a relative one below `directory`. Without: looked for in PATH, of `environment` if that has
    // one, else of this process.
    std::string program;
    std::vector<std::string> arguments;
    std::optional<std::string> name{};  // argv[0], if not `program`
    std::optional<std::vector<std::string>> environment{};  // "NAME=value"; none: this process's
    std::string directory{};  // empty: this process's
    stdio input = stdio::inherit();
    stdio output = stdio::inherit();
    stdio error = stdio::inherit();
    bool errors_to_output = false;  // 2>&1, instead of `error`
    // Further descriptors: the child's number (from 3 up), ours. They may be in any order and overlap.
    std::vector<std::pair<int, native_handle>> files{};

    enum class group : unsigned char {
        inherit,
        own,  // of a new process group, which kill_group reaches
        session,  // ... and session, without a terminal
    };
    group belongs_to = group::inherit;

    // How a child ends that is still alive when its process is destroyed or closed: this signal, and SIGKILL when it
    // has not ended within `grace`. With a group of its own, all of the group gets them.
    int end_signal = signals::kill;
    duration grace = std::chrono::seconds(5);
};

// How a process ended, and what it used (itself and those of its children that it waited for).
struct exit_status {
    enum class kind : unsigned char { exited, signalled };
    kind how = kind::exited;
    int number = 0;  // the exit code (0 to 255), or the signal
    bool core = false;  // it was signalled and left a core file
    std::chrono::microseconds user_time{0}, system_time{0};
    std::uint64_t peak_bytes = 0;  // of resident memory

    bool success() const noexcept { return how == kind::exited && number == 0; }
    bool exited(int code) const noexcept { return how == kind::exited && number == code; }
    bool signalled(int signal) const noexcept { return how == kind::signalled && number == signal; }
    // "exit code 3", "signal 11, core dumped".
    std::string text() const;
};

// What spawn was doing when the last error of this thread happened.
enum class spawn_step : unsigned char { none, prepare, fork, files, group, directory, exec };
spawn_step failed_step() noexcept;
const char* name_of(spawn_step step) noexcept;

namespace detail {
class child_state;
}

class process {
public:
    process() noexcept;
    process(process&&) noexcept;
    process& operator=(process&&) noexcept;
    ~process();

    static result<process> spawn(event_loop& loop, const command& what);

    bool is_open() const noexcept { return state_ != nullptr; }
    // The system's number, for messages. Used again by others once the child has ended.
    int id() const noexcept;
    // Our ends of its pipes; not open for what is no pipe. May be moved from.
    pipe_writer& input() noexcept { return input_; }
    pipe_reader& output() noexcept { return output_; }
    pipe_reader& errors() noexcept { return errors_; }

    // Until it has ended, however often and by however many it is awaited. Cancelling a wait leaves the child alone.
    [[nodiscard]] task<result<exit_status>> wait() const;
    // Null while it runs.
    const exit_status* ended() const noexcept;
    result<void> kill(int signal = signals::kill) const noexcept;
    // All of its group, while itself has not ended. Only of a child with a group of its own.
    result<void> kill_group(int signal = signals::kill) const noexcept;
    // Ends the child if it lives (see command::end_signal), without waiting for that; and what waits, with `closed`.
    void close() noexcept;
    // Leaves the child alone for good: it is still reaped while the loop lives, and not ended.
    void detach() noexcept;

private:
    std::shared_ptr<detail::child_state> state_;
    pipe_writer input_;
    pipe_reader output_, errors_;
};

// What run_command may collect and gives back.
struct finished {
    exit_status status{};
    std::string output{}, errors{};
};

// Runs a command to its end: gives it `input`, and collects what it writes, of both pipes at once. Input, output and
// error are pipes whatever the command says, but errors_to_output holds. Ends when the child has ended and its pipes
// are closed; a grandchild that keeps them open is waited for: bound it with with_timeout. An input that is not read
// to its end is no error. Cancelled or destroyed: the child ends as by process::close.
// Errors: those of spawn; limit_exceeded: it wrote more than output_max bytes to one of the two, and was ended.
[[nodiscard]] task<result<finished>> run_command(event_loop& loop, command what, std::string input = {},
                                                 std::size_t output_max = 1 << 20);

}  // namespace co_wq::io
