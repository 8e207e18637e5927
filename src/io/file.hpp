// file: an open file of a file system, read and written at offsets; nothing of it waits for a disk on the loop's
// thread.
//
// For:        reading, writing, syncing, measuring and resizing files. Paths: io/file_system.hpp, folders:
//             io/directory.hpp, copies: io/copy_file.hpp.
// Guarantees: Any number of calls may be under way on one file, each with its own offset, in no order: await one
//             before the next where order matters. Memory is lent or moved in, never borrowed: a call that outlives
//             its frame keeps its block, which then goes back to its pool. An open file stays the file it was: one
//             that is renamed over or removed is still read and written, one that is cut is read up to where it then
//             ends. (copy_file and its `changed` see more.)
// How:        io_uring where the kernel's ring has the call (asked, not derived from a version), else a few threads
//             of the loop's (loop_options::file_threads); on epoll what the page cache has is read at once.
// Threads:    the loop's own.
// Lifetime:   destroying a file, or close(), ends what waits on it with `closed`: at once what has not begun, the
//             rest when the system says so, with its result if it has one. The descriptor is closed then, off the
//             thread. A destroyed frame leaves its call behind in the same way. A loop waits for all of that when it
//             dies, up to its shutdown_limit, and leaks, and names, what a disk does not give back.
// Errors:     not_found, already_exists, permission_denied (also: not opened for that), is_directory, no_space,
//             file_too_large (over RLIMIT_FSIZE with SIGXFSZ ignored; else the signal ends the process),
//             too_many_files, device_error, invalid_argument (offsets over 2^63 - 1; direct access that is not
//             aligned), changed (a network file that is gone from its server), busy (65,000 calls are under way on
//             the file).
// Sources:    open(2), pread(2), pwrite(2), fsync(2), statx(2), ftruncate(2), fallocate(2), close(2),
//             io_uring_enter(2). Windows: docs/windows.md.
//
//   auto log = co_await io::file::open(loop, "log", {.access = io::file_access::read_write});
//   auto head = co_await log->read_at(0, 4096);        // head->data()
//   auto done = co_await log->write_at(8'000'000'000, std::move(*head));
//   if (!done.outcome) report(done.written, done.outcome.error());
#pragma once

#include "io/event_loop.hpp"
#include "io/file_awaiter.hpp"
#include "io/io_awaiter.hpp"

namespace co_wq::io {

// What came of a write. The block is back, with its bytes, whatever happened.
struct file_written {
    file_written(lease&& back, std::size_t count, result<void> how) noexcept
        : buffer(std::move(back)), written(count), outcome(how) {}

    lease buffer;
    std::size_t written;  // bytes from the start of the buffer's data that are in the file, also after a failure
    result<void> outcome;  // why not all of them
};

namespace detail {

class file_read_awaiter final : public file_awaiter {
public:
    file_read_awaiter(descriptor_ref where, std::uint64_t offset, std::size_t size);
    result<lease> await_resume() noexcept;

private:
    static constexpr awaiter_ops ops{"file read", nullptr, nullptr, nullptr, &describe};
};

class file_write_awaiter final : public file_awaiter {
public:
    file_write_awaiter(descriptor_ref where, std::uint64_t offset, lease&& data);
    file_written await_resume() noexcept;

private:
    static constexpr awaiter_ops ops{"file write", nullptr, nullptr, nullptr, &describe};
};

}  // namespace detail

class file_open_awaiter;

// Blocks aligned to pages, fit for direct access: 4, 16, 64 or 256 KiB.
buffer_pool& file_buffers(event_loop& loop);

class file {
public:
    static constexpr std::size_t read_bytes_max = 256 * 1024;

    file() noexcept = default;
    // Takes a descriptor over.
    file(event_loop& loop, native_handle handle) : where_{&loop, &loop.reactor().add(handle, descriptor_kind::file)} {}
    file(file&& other) noexcept : where_(std::exchange(other.where_, {})) {}
    file& operator=(file&& other) noexcept {
        if (this != &other) {
            close();
            where_ = std::exchange(other.where_, {});
        }
        return *this;
    }
    ~file() { close(); }

    // The path is copied. A fifo keeps the call, not the loop, until somebody opens its other end;
    // without io_uring as many of them as there are file_threads keep all calls of the loop.
    [[nodiscard]] static file_open_awaiter open(event_loop& loop, std::string_view path, open_options options = {});

    // Up to size bytes, at most read_bytes_max, in a block of file_buffers(). Fewer: the file ends there. (Or something
    // failed behind them: the next read says what.) Empty: the file ends before.
    [[nodiscard]] detail::file_read_awaiter read_at(std::uint64_t offset, std::size_t size) const {
        return {where_, offset, size};
    }
    // All of data.data(); behind the end of the file it grows, with a hole between.
    [[nodiscard]] detail::file_write_awaiter write_at(std::uint64_t offset, lease data) const {
        return {where_, offset, std::move(data)};
    }
    // What was written is on the disk; with sync_data but for times and the like, which reading it does not need.
    [[nodiscard]] detail::file_call_awaiter sync() const { return simple(file_call::sync); }
    [[nodiscard]] detail::file_call_awaiter sync_data() const { return simple(file_call::sync_data); }
    [[nodiscard]] detail::file_status_awaiter status() const;
    // Cuts the file, or lets it grow with a hole.
    [[nodiscard]] detail::file_call_awaiter truncate(std::uint64_t size) const;
    // Takes up room on the disk, so that writing there does not end with no_space. not_supported: by the file system.
    [[nodiscard]] detail::file_call_awaiter allocate(std::uint64_t offset, std::uint64_t size) const;
    // Permissions, 07777; the umask has no say.
    [[nodiscard]] detail::file_call_awaiter set_mode(std::uint32_t mode) const;

    // Closes, and says whether what was written before had to be given up (close(2): network file systems and quotas).
    // Being cancelled does not keep it from closing. busy: calls are under way; the file stays open.
    [[nodiscard]] task<result<void>> finish();
    void close() noexcept {
        if (!where_.entry) return;
        where_.loop->require_owner();
        where_.loop->reactor().release(*std::exchange(where_.entry, nullptr));
    }

    bool is_open() const noexcept { return where_.entry != nullptr; }
    event_loop& loop() const noexcept { return *where_.loop; }
    native_handle handle() const noexcept { return where_.entry ? where_.entry->handle : no_handle; }
    const descriptor_ref& where() const noexcept { return where_; }

private:
    detail::file_call_awaiter simple(file_call call) const;
    descriptor_ref where_;
};

class file_open_awaiter final : public detail::file_awaiter {
public:
    file_open_awaiter(event_loop& loop, detail::file_request& request) noexcept : file_awaiter(ops, loop, request) {}
    result<file> await_resume();

private:
    static constexpr awaiter_ops ops{"file open", nullptr, nullptr, nullptr, &describe};
};

namespace detail {
// A request on the file of an entry.
file_request& request_on(descriptor_ref where, file_call call, std::size_t room = 0);
}  // namespace detail

}  // namespace co_wq::io
