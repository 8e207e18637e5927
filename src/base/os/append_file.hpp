// append_file: a file, pipe, terminal or socket that lines are appended to, by a thread that may wait.
//
// For:        logs. Event loops use io::file.
// Guarantees: append never waits for a reader longer than it is told; a pipe, terminal or socket takes pieces that are
//             not larger than what it said it has room for. The mode of a descriptor that was inherited ("-") is left
//             as it is. The file is opened to append, with mode 0640, and is not inherited by children.
// Threads:    one at a time. A regular file on a disk that hangs keeps the caller.
// Errors:     as open(2) and write(2): no_space, file_too_large (with SIGXFSZ blocked or ignored), device_error,
//             broken_pipe; not_found or other for a fifo without a reader.
// Windows:    the path is UTF-8; it may name a pipe. Others may rename and remove the file meanwhile; its folder says
//             who may read it. A call that waits for a reader is called off: what the reader took of its piece of
//             4 KiB until then comes again. There is no limit on a file's size for a process.
// Source:     open(2), write(2), poll(2), pipe(7); CreateFileW ("FILE_APPEND_DATA"), CancelSynchronousIo.
//
//   auto file = os::append_file::open("access.log");        // "-": standard output
//   result<std::size_t> put = file->append(lines, 100ms);   // 0: no room now
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.hpp"

namespace co_wq::os {

class append_file {
public:
    append_file() noexcept = default;
    append_file(append_file&& other) noexcept
        : handle_(std::exchange(other.handle_, -1)), kind_(other.kind_), owned_(other.owned_) {}
    append_file& operator=(append_file&& other) noexcept {
        std::swap(handle_, other.handle_);
        std::swap(kind_, other.kind_);
        std::swap(owned_, other.owned_);
        return *this;
    }
    ~append_file();

    static result<append_file> open(const std::string& path);

    // How many bytes from the start of data are written: some, or none when there was no room within patience.
    result<std::size_t> append(std::string_view data, std::chrono::milliseconds patience) noexcept;
    // Whether both are the same file of the file system.
    bool same_file_as(const append_file& other) const noexcept;

private:
    enum class kind : unsigned char { regular, socket, other };
    int handle_ = -1;
    kind kind_ = kind::other;
    bool owned_ = false;
};

// This thread gets an error, not a signal, when a file would grow over the process's limit (RLIMIT_FSIZE).
void block_file_size_signal() noexcept;

}  // namespace co_wq::os
