#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "base/log.hpp"
#include "io/backend/retry_interrupted.hpp"
#include "io/backend/spawn_linux.hpp"
#include "io/child_state.hpp"
#include "io/orphan.hpp"
#include "sync/deadline.hpp"
#include "sync/sleep.hpp"

namespace co_wq::io {
namespace {

thread_local spawn_step last_step = spawn_step::none;

std::unexpected<error> failure_at(spawn_step step, int failure) noexcept {
    last_step = step;
    return fail(from_errno(failure));
}

// What the child is given, and our ends of it.
struct wiring {
    std::vector<placed_file> files;
    std::vector<file_handle> theirs;  // open until the child has them
    file_handle input, output, errors;

    // As an exec would have it: what was opened since under the number of a closed one stays here.
    static bool inheritable(int number) noexcept {
        const int flags = ::fcntl(number, F_GETFD);
        return flags >= 0 && !(flags & FD_CLOEXEC);
    }
    bool open_null(int target) {
        const int made = ::open("/dev/null", O_RDWR | O_CLOEXEC);
        if (made < 0) return false;
        theirs.emplace_back(made);
        files.push_back({.source = made, .target = target});
        return true;
    }
    // Only our end is non-blocking: the ends of a pipe are two open file descriptions.
    bool open_pipe(int target, file_handle& ours) {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) return false;
        const bool child_reads = target == 0;
        ours = file_handle(ends[child_reads ? 1 : 0]);
        theirs.emplace_back(ends[child_reads ? 0 : 1]);
        files.push_back({.source = theirs.back().get(), .target = target});
        return set_non_blocking(ours.get()).has_value();
    }
    bool add(const stdio& how, int target, file_handle& ours) {
        switch (how.what()) {
            case stdio::kind::inherit:
                files.push_back({.source = inheritable(target) ? target : no_handle, .target = target});
                return true;
            case stdio::kind::null: return open_null(target);
            case stdio::kind::pipe: return open_pipe(target, ours);
            case stdio::kind::file: files.push_back({.source = how.given(), .target = target}); return true;
        }
        return false;
    }
    bool add_all(const command& what) {
        theirs.reserve(3);
        files.reserve(3 + what.files.size());
        if (!add(what.input, 0, input) || !add(what.output, 1, output)) return false;
        if (what.errors_to_output) {
            placed_file both = files.back();
            both.target = 2;
            files.push_back(both);
        } else if (!add(what.error, 2, errors)) {
            return false;
        }
        for (const auto& [target, given] : what.files) files.push_back({.source = given, .target = target});
        return true;
    }
};

std::vector<const char*> pointers(const std::vector<std::string>& from) {
    std::vector<const char*> made;
    made.reserve(from.size() + 1);
    for (const std::string& one : from) made.push_back(one.c_str());
    made.push_back(nullptr);
    return made;
}

std::string search_path(const command& what) {
    constexpr std::string_view name = "PATH=";
    if (what.environment)
        for (const std::string& one : *what.environment)
            if (one.starts_with(name)) return one.substr(name.size());
    const char* ours = std::getenv("PATH");
    return ours ? ours : "/usr/local/bin:/usr/bin:/bin";
}

std::vector<std::string> candidates(const command& what) {
    if (what.program.find('/') != std::string::npos) return {what.program};
    std::vector<std::string> made;
    const std::string path = search_path(what);
    for (std::size_t begin = 0; begin <= path.size();) {
        const std::size_t end = std::min(path.find(':', begin), path.size());
        const std::string folder = path.substr(begin, end - begin);
        made.push_back(folder.empty() ? what.program : folder + '/' + what.program);  // empty: the working directory
        begin = end + 1;
    }
    return made;
}

bool has_null(const std::string& text) noexcept { return text.find('\0') != std::string::npos; }

// What cannot be said to the system as it is.
bool is_valid(const command& what) noexcept {
    const auto all_valid = [](const std::vector<std::string>& list) { return std::ranges::none_of(list, has_null); };
    if (what.program.empty() || has_null(what.program) || has_null(what.directory)) return false;
    if (!all_valid(what.arguments) || (what.name && has_null(*what.name))) return false;
    if (what.environment && !all_valid(*what.environment)) return false;
    for (const stdio* one : {&what.input, &what.output, &what.error})
        if (one->what() == stdio::kind::file && one->given() < 0) return false;
    return std::ranges::all_of(
        what.files, [](const auto& one) { return one.first >= 3 && one.first < (1 << 30) && one.second >= 0; });
}

int open_limit() noexcept {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    return static_cast<int>(std::min<rlim_t>(limit.rlim_cur, 1 << 30));
}

started start(const command& what, wiring& wires, spawn_step& step) {
    std::vector<std::string> words{what.name.value_or(what.program)};
    words.insert(words.end(), what.arguments.begin(), what.arguments.end());
    const std::vector<const char*> arguments = pointers(words);
    const std::vector<std::string> tried = candidates(what);
    const std::vector<const char*> paths = pointers(tried);
    const std::vector<const char*> environment =
        what.environment ? pointers(*what.environment) : std::vector<const char*>{};
    child_plan plan{.arguments = arguments.data(),
                    .environment = what.environment ? environment.data() : environ,
                    .candidates = paths.data(),
                    .directory = what.directory.empty() ? nullptr : what.directory.c_str(),
                    .files = wires.files,
                    .files_max = open_limit(),
                    .belongs_to = what.belongs_to};
    for (const placed_file& one : wires.files) plan.files_above = std::max(plan.files_above, one.target + 1);
    const started made = start_child(plan);
    step = plan.step;
    return made;
}

int send_signal(native_handle pidfd, int number) noexcept {
    return ::syscall(SYS_pidfd_send_signal, pidfd, number, nullptr, 0) == 0 ? 0 : errno;
}

enum class reaped : unsigned char { lives, ended, lost };

// Never waits. lost: somebody else has reaped it.
reaped try_reap(native_handle pidfd, exit_status& into) noexcept {
    siginfo_t info{};
    rusage usage{};
    const long got =
        retry_interrupted([&] { return ::syscall(SYS_waitid, P_PIDFD, pidfd, &info, WEXITED | WNOHANG, &usage); });
    if (got != 0) return reaped::lost;
    if (info.si_pid == 0) return reaped::lives;
    const auto span = [](const timeval& of) {
        return std::chrono::seconds(of.tv_sec) + std::chrono::microseconds(of.tv_usec);
    };
    into.how = info.si_code == CLD_EXITED ? exit_status::kind::exited : exit_status::kind::signalled;
    into.number = info.si_status;
    into.core = info.si_code == CLD_DUMPED;
    into.user_time = span(usage.ru_utime);
    into.system_time = span(usage.ru_stime);
    into.peak_bytes = static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
    return reaped::ended;
}

task<result<void>> until_ready(const socket& source) {
    const result<void> seen = co_await source.ready(direction::read);
    co_return seen;
}
task<void> pause() { (void)co_await sleep_for(std::chrono::milliseconds(1)); }

}  // namespace

void reap_orphans(std::unique_ptr<orphan> first, time_point limit) noexcept {
    while (first) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(limit - steady_now()).count();
        pollfd one{first->pidfd, POLLIN, 0};
        retry_interrupted([&] { return ::poll(&one, 1, static_cast<int>(std::clamp<long>(left, 0, 1 << 30))); });
        exit_status ignored;
        if (try_reap(first->pidfd, ignored) == reaped::lives)
            log::error("the loop ends, but its child {} cannot be killed; it is left behind", first->process);
        ::close(first->pidfd);
        first = std::move(first->next);
    }
}

namespace detail {

bool child_state::reap() noexcept {
    if (over_) return true;
    exit_status status;
    const reaped how = try_reap(pidfd_.get(), status);
    if (how == reaped::lives) return false;
    if (how == reaped::ended) status_ = status;
    over_ = true;
    timer::cancel();
    changed_.set();
    return true;
}

// Whatever happens to its waiting, the child is looked at again.
task<void> child_state::watch(duty held) {
    child_state& me = held.child();
    {
        const socket source(me.loop_, me.pidfd_.get(), descriptor_kind::other, false);
        for (bool again = false; !me.reap(); again = true) {
            if (again) co_await shield(pause());
            (void)co_await shield(until_ready(source));
        }
    }
    me.pidfd_.reset();
}

void child_state::signal_all(int number) const noexcept {
    if (over_) return;
    if (grouped_) ::kill(-process_, number);  // it is not reaped, so the group's number is its own
    (void)send_signal(pidfd_.get(), number);
}

result<void> child_state::kill(int signal) const noexcept {
    if (over_) return fail(errc::not_found, ESRCH);
    const int failure = send_signal(pidfd_.get(), signal);
    if (failure == ESRCH) return fail(errc::not_found, ESRCH);
    if (failure) return fail(from_errno(failure));
    return {};
}

result<void> child_state::kill_group(int signal) const noexcept {
    if (!grouped_) return fail(errc::invalid_argument);
    if (over_) return fail(errc::not_found, ESRCH);
    if (::kill(-process_, signal) == 0) return {};
    if (errno == ESRCH) return fail(errc::not_found, ESRCH);
    return fail(from_errno(errno));
}

void child_state::let_go(bool leave_alone) noexcept {
    closed_ = true;
    detached_ = leave_alone;
    if (!over_ && !leave_alone) {
        loop_.require_owner();
        signal_all(end_signal_);
        if (end_signal_ != SIGKILL) loop_.timers()->arm(*this, saturating_add(loop_.now(), grace_));
    }
    changed_.set();
}

void child_state::grace_is_over(timer& self) noexcept { static_cast<child_state&>(self).signal_all(SIGKILL); }

// The task that watches it dies: so does its loop.
void child_state::end_now() noexcept {
    timer::cancel();
    if (over_) return;
    if (!detached_) {
        signal_all(SIGKILL);
        if (!reap()) {
            last_rites_->pidfd = pidfd_.release();
            last_rites_->process = process_;
            loop_.leave(std::move(last_rites_));
        }
    }
    over_ = true;
    changed_.set();
}

}  // namespace detail

result<process> process::spawn(event_loop& loop, const command& what) {
    last_step = spawn_step::prepare;
    loop.require_owner();
    if (const result<void> real = require_system(loop); !real) return std::unexpected(real.error());
    if (!is_valid(what)) return fail(errc::invalid_argument, EINVAL);
    if (const int refusal = pidfd_refusal()) return failure_at(spawn_step::prepare, refusal);
    wiring wires;
    if (!wires.add_all(what)) return failure_at(spawn_step::files, errno);
    process made;
    if (wires.input)
        made.input_ = pipe_writer(detail::into_socket(loop, std::move(wires.input), descriptor_kind::pipe));
    if (wires.output)
        made.output_ = pipe_reader(detail::into_socket(loop, std::move(wires.output), descriptor_kind::pipe));
    if (wires.errors)
        made.errors_ = pipe_reader(detail::into_socket(loop, std::move(wires.errors), descriptor_kind::pipe));
    auto state = std::make_shared<detail::child_state>(loop, what);
    spawn_step step = spawn_step::prepare;
    const started child = start(what, wires, step);
    if (child.process < 0) return failure_at(step, -child.process);
    state->begin(child.process, file_handle(child.pidfd));
    made.state_ = state;
    loop.spawn(detail::child_state::watch(detail::child_state::duty(std::move(state))), "child process");
    last_step = spawn_step::none;
    return made;
}

spawn_step failed_step() noexcept { return last_step; }

}  // namespace co_wq::io
