#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <system_error>

#include "io/signal.hpp"

namespace co_wq::io {
namespace {

sigset_t set_of(std::initializer_list<int> numbers) noexcept {
    sigset_t set;
    sigemptyset(&set);
    for (int number : numbers) sigaddset(&set, number);
    return set;
}

int open_source(std::initializer_list<int> numbers) {
    const sigset_t set = set_of(numbers);
    const int handle = ::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (handle < 0) throw std::system_error(errno, std::generic_category(), "signalfd");
    return handle;
}

}  // namespace

void block_signals(std::initializer_list<int> numbers) noexcept {
    const sigset_t set = set_of(numbers);
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

void ignore_sigpipe() noexcept { std::signal(SIGPIPE, SIG_IGN); }

signal_set::signal_set(event_loop& loop, std::initializer_list<int> numbers)
    : source_(loop, open_source(numbers), descriptor_kind::other) {}

task<result<int>> signal_set::next() {
    for (;;) {
        signalfd_siginfo info{};
        if (::read(source_.handle(), &info, sizeof info) == sizeof info) co_return static_cast<int>(info.ssi_signo);
        if (errno != EAGAIN && errno != EINTR) co_return fail(from_errno(errno));
        const result<void> ready = co_await source_.ready(direction::read);
        if (!ready) co_return std::unexpected(ready.error());
    }
}

}  // namespace co_wq::io
