// pipe_reader, pipe_writer: bytes in one direction, between tasks, threads or processes; also for what this process was
// given as standard input and output.
//
// For:        child processes, command lines (`program < file | other`), FIFOs.
// Guarantees: as io::socket: the destructor closes, operations still waiting then end with `closed`. Cancelled or
//             destroyed reads lose no bytes. Writing to a pipe that nobody reads ends with broken_pipe; no SIGPIPE is
//             raised, whatever its disposition. Descriptors made here are not inherited by child processes.
// Threads:    the loop's own. Lifetime: movable; operations in flight refer to the descriptor, not to this object.
//             Memory is borrowed for the duration of the await only.
// Errors:     broken_pipe: nobody reads any more. not_supported: the loop is simulated, or this is no pipe (capacity).
//             invalid_argument: the descriptor is not open in this direction. permission_denied: a capacity above
//             /proc/sys/fs/pipe-max-size, or the user's budget (pipe-user-pages-soft) is spent.
// Source:     pipe(7); fcntl(2), F_SETPIPE_SZ; SIGPIPE is avoided by RWF_NOSIGNAL (Linux 6.18) or, before that, by the
//             thread's signal mask.
//
// Two ways to take over a descriptor that somebody else has opened:
//   adopt  owns it. It becomes non-blocking, and with it every other descriptor of the same open file description: for
//          pipes whose other holders are gone or expect that.
//   share  for standard input and output: pipes and terminals are opened a second time through /proc/self/fd, so that
//          the modes others see stay as they are, now and after the end of this process. Sockets and files are
//          duplicated (sockets are asked not to wait at each call). Needs /proc, and the right to open a terminal.
// Both take regular files too: they are always ready, so reading one (`< file`) makes the loop wait for the disk.
//
//   result<io::pipe> made = io::pipe::open(loop);
//   co_await made->writer.send_all(as_bytes("hello"));
//   result<io::lease> got = co_await made->reader.recv_lease(4096);   // empty: the end
#pragma once

#include "io/socket.hpp"

namespace co_wq::io {

// not_supported when the loop is a simulation, which has no files.
result<void> require_system(event_loop& loop) noexcept;
// Of the open file description: every descriptor that shares it becomes so.
result<void> set_non_blocking(native_handle handle) noexcept;
// Another descriptor of the same open file description, not inherited by child processes.
result<file_handle> duplicate(native_handle handle) noexcept;

namespace detail {
socket into_socket(event_loop& loop, file_handle file, descriptor_kind kind);
result<std::size_t> pipe_capacity(native_handle handle) noexcept;
result<std::size_t> set_pipe_capacity(native_handle handle, std::size_t size) noexcept;
}  // namespace detail

class pipe_reader {
public:
    pipe_reader() noexcept = default;
    explicit pipe_reader(socket source) noexcept : socket_(std::move(source)) {}
    static result<pipe_reader> adopt(event_loop& loop, file_handle file);
    static result<pipe_reader> share(event_loop& loop, native_handle handle);
    static result<pipe_reader> standard_input(event_loop& loop) { return share(loop, 0); }

    bool is_open() const noexcept { return socket_.is_open(); }
    native_handle handle() const noexcept { return socket_.handle(); }
    // 0: the end; all writers are closed.
    [[nodiscard]] auto recv(bytes into) const noexcept { return socket_.recv(into); }
    // An empty lease: the end. Holds no memory while it waits.
    [[nodiscard]] auto recv_lease(std::size_t size) const noexcept { return socket_.recv_lease(size); }
    [[nodiscard]] auto ready() const noexcept { return socket_.ready(direction::read); }
    void close() noexcept { socket_.close(); }

    result<std::size_t> capacity() const noexcept { return detail::pipe_capacity(handle()); }

private:
    socket socket_;
};

class pipe_writer {
public:
    pipe_writer() noexcept = default;
    explicit pipe_writer(socket target) noexcept : socket_(std::move(target)) {}
    static result<pipe_writer> adopt(event_loop& loop, file_handle file);
    static result<pipe_writer> share(event_loop& loop, native_handle handle);
    static result<pipe_writer> standard_output(event_loop& loop) { return share(loop, 1); }
    static result<pipe_writer> standard_error(event_loop& loop) { return share(loop, 2); }

    bool is_open() const noexcept { return socket_.is_open(); }
    native_handle handle() const noexcept { return socket_.handle(); }
    // How many bytes went, at least one. Up to 4096 (PIPE_BUF) in one call are never mixed with another writer's.
    [[nodiscard]] auto send(const_bytes data) const noexcept { return socket_.send(data); }
    [[nodiscard]] auto send_all(const_bytes data) const noexcept { return socket_.send_all(data); }
    [[nodiscard]] auto send_all(std::array<const_bytes, 3> parts) const noexcept { return socket_.send_all(parts); }
    [[nodiscard]] auto ready() const noexcept { return socket_.ready(direction::write); }
    // Ends when nobody reads any more.
    [[nodiscard]] auto unread() const noexcept { return socket_.ready(direction::hang_up); }
    // The reader finds the end behind what was sent.
    void close() noexcept { socket_.close(); }

    // In bytes; the system rounds up to pages and a power of two. The result is what it has become.
    result<std::size_t> capacity() const noexcept { return detail::pipe_capacity(handle()); }
    result<std::size_t> set_capacity(std::size_t size) const noexcept {
        return detail::set_pipe_capacity(handle(), size);
    }

private:
    socket socket_;
};

struct pipe {
    pipe_reader reader{};
    pipe_writer writer{};

    // capacity 0: the system's (64 KiB).
    static result<pipe> open(event_loop& loop, std::size_t capacity = 0);
};

}  // namespace co_wq::io
