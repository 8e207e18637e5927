#include <pthread.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>

#include "io/pipe.hpp"
#include "io/signal.hpp"

namespace co_wq::io {

namespace signals {
static_assert(hang_up == SIGHUP && interrupt == SIGINT && quit == SIGQUIT && abort == SIGABRT && kill == SIGKILL &&
              segment == SIGSEGV && broken_pipe == SIGPIPE && terminate == SIGTERM);
const int user_1 = SIGUSR1, user_2 = SIGUSR2, child = SIGCHLD, go_on = SIGCONT, stop = SIGSTOP, window_size = SIGWINCH;

int real_time(int index) noexcept {
    CO_WQ_REQUIRE(index >= 0 && index < real_time_count(), "there is a real-time signal of that index");
    return SIGRTMIN + index;
}
int real_time_count() noexcept { return SIGRTMAX - SIGRTMIN + 1; }
}  // namespace signals

namespace {

sigset_t set_of(std::initializer_list<int> numbers) noexcept {
    sigset_t set;
    sigemptyset(&set);
    for (int number : numbers) sigaddset(&set, number);
    return set;
}

int open_source(event_loop& loop, std::initializer_list<int> numbers) {
    if (!require_system(loop)) throw std::system_error(ENOTSUP, std::generic_category(), "signals in a simulation");
    const sigset_t set = set_of(numbers);
    const int handle = ::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (handle < 0) throw std::system_error(errno, std::generic_category(), "signalfd");
    return handle;
}

signal_origin origin_of(int code, int number) noexcept {
    switch (code) {
        case SI_USER:
        case SI_TKILL: return signal_origin::process;
        case SI_QUEUE: return signal_origin::queued;
        case SI_TIMER:
        case SI_MESGQ:
        case SI_ASYNCIO: return signal_origin::timer;
        default: return number == SIGCHLD ? signal_origin::child : signal_origin::kernel;
    }
}

static_assert(sizeof(sigset_t) == 128 && sizeof(signalfd_siginfo) == 128);

}  // namespace

void block_signals(std::initializer_list<int> numbers) noexcept {
    const sigset_t set = set_of(numbers);
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

void ignore_sigpipe() noexcept { std::signal(SIGPIPE, SIG_IGN); }

blocked_signals::blocked_signals(std::initializer_list<int> numbers) noexcept : thread_(::pthread_self()) {
    const sigset_t set = set_of(numbers);
    sigset_t before;
    ::pthread_sigmask(SIG_BLOCK, &set, &before);
    std::memcpy(numbers_.data(), &set, sizeof set);
    std::memcpy(before_.data(), &before, sizeof before);
}

blocked_signals::~blocked_signals() {
    CO_WQ_REQUIRE(thread_ == ::pthread_self(), "a thread's signal mask is put back by that thread");
    sigset_t before;
    std::memcpy(&before, before_.data(), sizeof before);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

int blocked_signals::take_pending() noexcept {
    sigset_t set;
    std::memcpy(&set, numbers_.data(), sizeof set);
    const timespec at_once{};
    int taken = 0;
    for (;;) {
        if (::sigtimedwait(&set, nullptr, &at_once) > 0) {
            ++taken;
        } else if (errno != EINTR) {
            return taken;
        }
    }
}

result<void> queue_signal(int process, int number, int value) noexcept {
    if (process <= 0) return fail(errc::invalid_argument, EINVAL);  // kill(2) would mean groups, or everybody
    sigval with{};
    with.sival_int = value;
    if (::sigqueue(process, number, with) == 0) return {};
    if (errno == ESRCH) return fail(errc::not_found, ESRCH);
    if (errno == EAGAIN) return fail(errc::limit_exceeded, EAGAIN);
    return fail(from_errno(errno));
}

void detail::end_signals(native_handle) noexcept {}

signal_info detail::decode_signal(const std::array<std::byte, 128>& raw) noexcept {
    signalfd_siginfo from;
    std::memcpy(&from, raw.data(), sizeof from);
    signal_info info;
    info.number = static_cast<int>(from.ssi_signo);
    info.code = from.ssi_code;
    info.origin = origin_of(info.code, info.number);
    info.process = static_cast<int>(from.ssi_pid);
    info.user = from.ssi_uid;
    if (info.origin == signal_origin::kernel || info.origin == signal_origin::timer) {
        info.process = 0;  // these fields say something else
        info.user = 0;
    }
    if (info.origin == signal_origin::queued || info.origin == signal_origin::timer) {
        info.value = from.ssi_int;
        info.pointer = from.ssi_ptr;
    } else if (info.origin == signal_origin::child) {
        info.value = from.ssi_status;
    }
    return info;
}

signal_set::signal_set(event_loop& loop, std::initializer_list<int> numbers)
    : source_(detail::into_socket(loop, file_handle(open_source(loop, numbers)), descriptor_kind::pipe)) {}

}  // namespace co_wq::io
