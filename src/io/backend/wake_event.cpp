#include "io/backend/wake_event.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

namespace co_wq::io {

wake_event::wake_event() : handle_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    if (handle_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
}

wake_event::~wake_event() { ::close(handle_); }

void wake_event::signal() noexcept {
    const std::uint64_t one = 1;
    // fails only when the counter is full, and then the loop is being woken anyway
    [[maybe_unused]] const auto wrote = ::write(handle_, &one, sizeof one);
}

void wake_event::drain() noexcept {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto got = ::read(handle_, &count, sizeof count);
}

}  // namespace co_wq::io
