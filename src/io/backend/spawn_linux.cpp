#include "io/backend/spawn_linux.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "io/backend/retry_interrupted.hpp"

// clone(2) as the C library has it under its other name: sanitizers replace the first by one that takes the child for a
// copy of this process.
extern "C" int __clone(int (*function)(void*), void* stack, int flags, void* argument, ...) noexcept;

namespace co_wq::io {
namespace {

constexpr std::size_t stack_bytes = 64 * 1024;
constexpr std::size_t kernel_set_bytes = 8;  // of a signal set, as the kernel has it
constexpr int signals_max = 64;

// The child runs on our memory, beside our other threads, and with none of its own: system calls and nothing else.
#define CO_WQ_IN_CHILD __attribute__((no_sanitize("address"), no_sanitize("thread"), no_sanitize("undefined")))

struct kernel_action {
    void* handler;
    unsigned long flags;
    void* restorer;
    unsigned long mask;
};
constexpr kernel_action default_action{};
constexpr unsigned long no_signals = 0, all_signals = ~0ul;

CO_WQ_IN_CHILD void reset_signals() noexcept {
    for (int number = 1; number <= signals_max; ++number)
        ::syscall(SYS_rt_sigaction, number, &default_action, nullptr, kernel_set_bytes);
}

// By what the system says is open. False: it does not say (no /proc).
CO_WQ_IN_CHILD bool hide_listed() noexcept {
    constexpr long name_at = 19, length_at = 16;  // of a linux_dirent64
    const long folder = ::syscall(SYS_openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (folder < 0) return false;
    alignas(8) char block[4096];
    long got = 0;
    while ((got = ::syscall(SYS_getdents64, folder, block, sizeof block)) > 0) {
        for (long at = 0; at < got; at += *reinterpret_cast<unsigned short*>(block + at + length_at)) {
            int number = 0;
            const char* digit = block + at + name_at;
            for (; *digit >= '0' && *digit <= '9'; ++digit) number = number * 10 + (*digit - '0');
            if (!*digit && number >= 3) ::syscall(SYS_fcntl, number, F_SETFD, FD_CLOEXEC);
        }
    }
    ::syscall(SYS_close, folder);
    return got == 0;
}

// Nothing that is open goes into the program but what is placed afterwards.
CO_WQ_IN_CHILD void hide_files(const child_plan& plan) noexcept {
    if (::syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC) == 0 || hide_listed()) return;
    for (int number = 3; number < plan.files_max; ++number)  // before Linux 5.11
        ::syscall(SYS_fcntl, number, F_SETFD, FD_CLOEXEC);
}

// First all out of the way, then each to its place: they may overlap in any manner.
CO_WQ_IN_CHILD bool place_files(child_plan& plan) noexcept {
    for (placed_file& one : plan.files) {
        if (one.source < 0) continue;
        const long moved = ::syscall(SYS_fcntl, one.source, F_DUPFD_CLOEXEC, plan.files_above);
        if (moved < 0 && errno == EINVAL) errno = EMFILE;  // files_above is beyond what may be open
        if (moved < 0) return false;
        one.moved = static_cast<int>(moved);
    }
    for (const placed_file& one : plan.files) {
        if (one.source < 0) {
            ::syscall(SYS_close, one.target);
        } else if (::syscall(SYS_dup3, one.moved, one.target, 0) < 0) {
            if (errno == EBADF) errno = EMFILE;  // so is the target
            return false;
        }
    }
    return true;
}

CO_WQ_IN_CHILD bool change_group(const child_plan& plan) noexcept {
    if (plan.belongs_to == command::group::session) return ::syscall(SYS_setsid) >= 0;
    return plan.belongs_to == command::group::inherit || ::syscall(SYS_setpgid, 0, 0) == 0;
}

// As execvp(3), but a file of no known format is not given to a shell.
CO_WQ_IN_CHILD int execute(const child_plan& plan) noexcept {
    int worst = ENOENT;
    for (const char* const* path = plan.candidates; *path; ++path) {
        ::syscall(SYS_execve, *path, plan.arguments, plan.environment);
        if (errno == EACCES) worst = EACCES;  // perhaps a later one may be run
        if (errno != EACCES && errno != ENOENT && errno != ENOTDIR && errno != ESTALE && errno != ENODEV &&
            errno != ETIMEDOUT)
            return errno;
        if (errno == ENOTDIR && !path[1] && worst == ENOENT && path == plan.candidates) worst = ENOTDIR;
    }
    return worst;
}

CO_WQ_IN_CHILD int child_main(void* argument) noexcept {
    auto& plan = *static_cast<child_plan*>(argument);
    reset_signals();
    plan.step = spawn_step::group;
    bool good = change_group(plan);
    if (good && plan.directory) {
        plan.step = spawn_step::directory;
        good = ::syscall(SYS_chdir, plan.directory) == 0;
    }
    if (good) {
        plan.step = spawn_step::files;
        hide_files(plan);
        good = place_files(plan);
    }
    if (good) {
        plan.step = spawn_step::exec;
        ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &no_signals, nullptr, kernel_set_bytes);
        plan.failure = execute(plan);
    } else {
        plan.failure = errno;
    }
    ::syscall(SYS_exit_group, 127);
    return 0;
}

}  // namespace

started start_child(child_plan& plan) noexcept {
    void* stack = ::mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    plan.step = spawn_step::fork;
    if (stack == MAP_FAILED) return {.process = -errno};
    // no handler of ours may run in the child
    unsigned long before = 0;
    ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all_signals, &before, kernel_set_bytes);
    started made;
    made.process = __clone(&child_main, static_cast<char*>(stack) + stack_bytes,
                           CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &plan, &made.pidfd);
    const int saved = errno;
    ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, nullptr, kernel_set_bytes);
    ::munmap(stack, stack_bytes);
    if (made.process < 0) return {.process = -saved};
    if (plan.failure == 0) return made;
    siginfo_t ignored{};
    retry_interrupted([&] { return ::waitid(P_PIDFD, static_cast<id_t>(made.pidfd), &ignored, WEXITED); });
    ::close(made.pidfd);
    return {.process = -plan.failure};
}

int pidfd_refusal() noexcept {
    const long self = ::syscall(SYS_pidfd_open, ::getpid(), 0);
    if (self < 0) return errno;
    siginfo_t ignored{};
    const int got = ::waitid(P_PIDFD, static_cast<id_t>(self), &ignored, WEXITED | WNOHANG);
    const int failure = got < 0 && errno == EINVAL ? ENOSYS : 0;  // ECHILD: it is understood, and no child of ours
    ::close(static_cast<int>(self));
    return failure;
}

}  // namespace co_wq::io
