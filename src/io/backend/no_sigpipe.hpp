// Writes by calls that know no MSG_NOSIGNAL, without a SIGPIPE.
#pragma once

#include <sys/types.h>

#include <cerrno>
#include <csignal>

#include "io/backend/retry_interrupted.hpp"

namespace co_wq::io {

// Keeps SIGPIPE from this thread, and takes the one that a write has raised away again. One that was pending before
// belongs to somebody else.
class no_sigpipe {
public:
    no_sigpipe() noexcept {
        sigset_t waiting;
        sigemptyset(&waiting);
        ::sigpending(&waiting);
        pending_before_ = sigismember(&waiting, SIGPIPE) == 1;
        sigemptyset(&only_);
        sigaddset(&only_, SIGPIPE);
        ::pthread_sigmask(SIG_BLOCK, &only_, &before_);
    }
    no_sigpipe(const no_sigpipe&) = delete;
    no_sigpipe& operator=(const no_sigpipe&) = delete;
    ~no_sigpipe() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    void take() const noexcept {
        if (pending_before_) return;
        const timespec at_once{};
        while (::sigtimedwait(&only_, nullptr, &at_once) < 0 && errno == EINTR) {
        }
    }

private:
    sigset_t only_, before_;
    bool pending_before_;
};

// The call's result and errno; it was to write `size` bytes.
template <class Call>
ssize_t without_sigpipe(std::size_t size, Call call) noexcept {
    const no_sigpipe quiet;
    const ssize_t wrote = retry_interrupted(call);
    const int saved = errno;
    // a signal comes with a short count too: what went well before the pipe broke
    if (wrote < 0 ? saved == EPIPE : static_cast<std::size_t>(wrote) < size) quiet.take();
    errno = saved;
    return wrote;
}

// Asked each time: one call, against three or four of the above, and the program may change its mind.
inline bool ignores_sigpipe() noexcept {
    struct sigaction now{};
    return ::sigaction(SIGPIPE, nullptr, &now) == 0 && !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_IGN;
}

}  // namespace co_wq::io
