#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/os/append_file.hpp"

namespace co_wq::os {
namespace {

// A pipe that is writable takes as much without waiting (pipe(7)).
constexpr std::size_t piece_max = 4096;

}  // namespace

append_file::~append_file() {
    if (owned_ && handle_ >= 0) ::close(handle_);
}

result<append_file> append_file::open(const std::string& path) {
    append_file made;
    if (path == "-") {
        made.handle_ = STDOUT_FILENO;
    } else {
        // without O_NONBLOCK a fifo would keep us until somebody reads it
        made.handle_ = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
        made.owned_ = true;
    }
    struct stat what{};
    if (made.handle_ < 0 || ::fstat(made.handle_, &what) != 0) return fail(from_errno(errno));
    if (S_ISDIR(what.st_mode)) return fail(errc::is_directory);
    made.kind_ = S_ISREG(what.st_mode) ? kind::regular : S_ISSOCK(what.st_mode) ? kind::socket : kind::other;
    return made;
}

result<std::size_t> append_file::append(std::string_view data, std::chrono::milliseconds patience) noexcept {
    if (kind_ != kind::regular) {
        pollfd room{.fd = handle_, .events = POLLOUT, .revents = 0};
        const int ready = ::poll(&room, 1, static_cast<int>(patience.count()));
        if (ready == 0 || (ready < 0 && errno == EINTR)) return std::size_t{0};
        if (ready < 0) return fail(from_errno(errno));
        data = data.substr(0, piece_max);
    }
    const ssize_t put = kind_ == kind::socket ? ::send(handle_, data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL)
                                              : ::write(handle_, data.data(), data.size());
    if (put >= 0) return static_cast<std::size_t>(put);
    if (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK) return std::size_t{0};
    return fail(from_errno(errno));
}

bool append_file::same_file_as(const append_file& other) const noexcept {
    struct stat mine{}, its{};
    return ::fstat(handle_, &mine) == 0 && ::fstat(other.handle_, &its) == 0 && mine.st_dev == its.st_dev &&
           mine.st_ino == its.st_ino;
}

void block_file_size_signal() noexcept {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

}  // namespace co_wq::os
