// path_claim: the right to have a local socket at a path of the file system.
//
// For:        listeners and named datagram sockets. A socket that a process which crashed left behind is in the way of
//             the next.
// Guarantees: removes only what an owner of this claim made. The path's lock file (PATH.lock, locked while the claim is
//             held) says which file that was; a live owner, a foreign socket or lock file, and anything else at the
//             path are left alone, and take() says address_in_use. What is taken over refuses connections.
// Threads:    one at a time. Blocks for some calls to the file system.
// Lifetime:   destroying it removes the path and the lock file, if they are still ours; not in a forked child, which
//             keeps the lock, though, until it ends. After a change of the working directory a relative path is not
//             found, and stays.
// Errors:     address_in_use; those of open(2), flock(2), write(2) and unlink(2).
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "base/result.hpp"
#include "io/descriptor.hpp"

namespace co_wq::io {

class path_claim {
public:
    path_claim() noexcept = default;
    path_claim(path_claim&& other) noexcept
        : path_(std::move(other.path_)),
          lock_path_(std::move(other.lock_path_)),
          lock_(std::exchange(other.lock_, no_handle)),
          process_(other.process_) {}
    path_claim& operator=(path_claim&& other) noexcept {
        if (this != &other) {
            release();
            path_ = std::move(other.path_);
            lock_path_ = std::move(other.lock_path_);
            lock_ = std::exchange(other.lock_, no_handle);
            process_ = other.process_;
        }
        return *this;
    }
    ~path_claim() { release(); }

    // Locks the path and removes what an earlier owner left there. Whoever binds a socket at it next does so for us:
    // until record() it counts as ours if it refuses connections.
    static result<path_claim> take(std::string path);
    // What stands at the path now is ours, and gets this mode.
    result<void> record(std::uint32_t mode) noexcept;
    void release() noexcept;
    bool held() const noexcept { return lock_ != no_handle; }

private:
    path_claim(std::string path, std::string lock_path, native_handle lock) noexcept;

    std::string path_, lock_path_;
    native_handle lock_ = no_handle;
    std::int32_t process_ = 0;  // who took it
};

}  // namespace co_wq::io
