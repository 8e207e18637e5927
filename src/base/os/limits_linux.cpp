#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/os/limits.hpp"

namespace co_wq::os {

std::uint64_t raise_descriptor_limit() noexcept {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
    if (limit.rlim_cur < limit.rlim_max) {
        rlimit raised = limit;
        raised.rlim_cur = limit.rlim_max;
        if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
    }
    return limit.rlim_cur;
}

std::uint64_t process_salt() noexcept {
    std::uint64_t salt = 0;
    if (::getrandom(&salt, sizeof salt, GRND_NONBLOCK) != sizeof salt) salt = static_cast<std::uint64_t>(::getpid());
    return salt;
}

}  // namespace co_wq::os
