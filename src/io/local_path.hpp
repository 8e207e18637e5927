// path_claim: the right to listen at a path of the file system.
//
// For:        listeners on local sockets. A socket that a process which crashed left behind is in the way of the next.
// Guarantees: removes only what an owner of this claim made: the path's lock file (PATH.lock, locked while the claim is
//             held) records which file that was. A live owner, a foreign socket, or anything else at the path is left
//             alone, and claim() says address_in_use.
// Threads:    one at a time. Blocks for some calls to the file system.
// Lifetime:   closing or destroying it removes the path and the lock file, if they are still ours.
// Errors:     address_in_use; those of open(2), flock(2) and unlink(2).
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
        : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, no_handle)) {
        other.path_.clear();
    }
    path_claim& operator=(path_claim&& other) noexcept {
        if (this != &other) {
            release();
            path_ = std::move(other.path_);
            other.path_.clear();
            lock_ = std::exchange(other.lock_, no_handle);
        }
        return *this;
    }
    ~path_claim() { release(); }

    // Locks the path; what an earlier owner left there is removed.
    static result<path_claim> take(std::string path);
    // What stands at the path now is ours.
    result<void> record() noexcept;
    void release() noexcept;
    bool held() const noexcept { return lock_ != no_handle; }

private:
    path_claim(std::string path, native_handle lock) noexcept : path_(std::move(path)), lock_(lock) {}
    // The path holds what an owner of the claim made.
    bool is_ours() const noexcept;

    std::string path_;
    native_handle lock_ = no_handle;
};

}  // namespace co_wq::io
