// A system call again, as long as a signal interrupts it.
#pragma once

#include <cerrno>

namespace co_wq::io {

template <class Call>
auto retry_interrupted(Call&& call) noexcept {
    decltype(call()) got;
    do {
        got = call();
    } while (got < 0 && errno == EINTR);
    return got;
}

}  // namespace co_wq::io
