// terminal, serial_port: teletypes of every kind: the terminal somebody types at, a pseudo terminal, a serial line.
//
// For:        command lines with keys of their own, consoles of devices, modems, instruments.
// Guarantees: settings that were changed through this object are put back when it is closed or destroyed, also from the
//             background. Cancelled or destroyed reads lose no bytes. What is opened here is not inherited by children
//             and never becomes this process's controlling terminal.
//             A hang-up (the other end of a pseudo terminal closed, a modem lost its carrier, an adapter was pulled
//             out) is an error, connection_reset, of reads and writes; so 0 bytes are the end of the input that
//             somebody typed (Ctrl-D), nothing else.
// Blocking:   nothing waits in the system: a full line makes send wait as a task.
// Threads:    the loop's own. Lifetime: movable; operations in flight refer to the descriptor and end with `closed`.
// Errors:     not_supported: no terminal, or its driver cannot do this (modem lines of a pseudo terminal); configure:
//             the driver did not take the settings as they were asked for (what it made of them stays). other(16),
//             EBUSY: another program has the port for itself. permission_denied, not_found: the path.
//             connection_reset: hung up.
// Source:     termios(3), ioctl_tty(2), pty(7).
//
//   result<io::serial_port> port = io::serial_port::open(loop, "/dev/ttyUSB0", {.baud = 9600});
//   co_await port->send_all(as_bytes("AT\r"));
//   result<io::lease> answer = co_await port->recv_lease(256);
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "io/pipe.hpp"
#include "task/task.hpp"

namespace co_wq::io {

struct window_size {
    std::uint16_t rows = 0, columns = 0;  // in characters
    std::uint16_t width_px = 0, height_px = 0;  // 0: not known
};

enum class parity : unsigned char { none, even, odd, mark, space };
enum class flow_control : unsigned char {
    none,
    hardware,  // RTS and CTS
    software,  // XON and XOFF, the bytes 17 and 19, which then are no data
};

struct line_settings {
    std::uint32_t baud = 115'200;  // bits a second, any that the device can
    int data_bits = 8;  // 5 to 8
    io::parity parity = io::parity::none;
    int stop_bits = 1;  // 1 or 2
    flow_control flow = flow_control::none;
};

struct modem_lines {
    bool terminal_ready = false;  // DTR, ours
    bool request_send = false;  // RTS, ours
    bool clear_send = false;  // CTS
    bool data_set_ready = false;  // DSR
    bool carrier = false;  // DCD
    bool ring = false;  // RI
};

class terminal {
public:
    terminal() noexcept = default;
    static result<terminal> open(event_loop& loop, const std::string& path);
    // The terminal behind standard input or output (not the master of a pseudo terminal): opened a second time, so that
    // its modes as a file stay as they are for others (pipe.hpp). Settings (make_raw) are the terminal's own, shared by
    // all, and are put back.
    static result<terminal> share(event_loop& loop, native_handle handle);
    // Owns it, such as one end of a pseudo terminal.
    static result<terminal> adopt(event_loop& loop, file_handle file);

    terminal(terminal&& other) noexcept
        : socket_(std::move(other.socket_)), before_(other.before_), changed_(std::exchange(other.changed_, false)) {}
    terminal& operator=(terminal&& other) noexcept {
        if (this != &other) {
            close();
            socket_ = std::move(other.socket_);
            before_ = other.before_;
            changed_ = std::exchange(other.changed_, false);
        }
        return *this;
    }
    ~terminal() { close(); }

    bool is_open() const noexcept { return socket_.is_open(); }
    native_handle handle() const noexcept { return socket_.handle(); }
    // Lines, unless it is raw. 0: the end of what was typed.
    [[nodiscard]] auto recv(bytes into) const noexcept { return socket_.recv(into); }
    [[nodiscard]] auto recv_lease(std::size_t size) const noexcept { return socket_.recv_lease(size); }
    [[nodiscard]] auto send(const_bytes data) const noexcept { return socket_.send(data); }
    [[nodiscard]] auto send_all(const_bytes data) const noexcept { return socket_.send_all(data); }
    [[nodiscard]] auto ready(direction way) const noexcept { return socket_.ready(way); }
    // Settings go back to what they were.
    void close() noexcept;

    // Bytes as they come: no lines, no echo, no signals by keys, no translation.
    result<void> make_raw() noexcept;
    result<void> set_echo(bool on) noexcept;
    result<void> restore() noexcept;

    result<window_size> size() const noexcept;
    result<void> set_size(const window_size& size) const noexcept;

    // Raw, and with these settings of the line.
    result<void> configure(const line_settings& wanted) noexcept;
    result<line_settings> settings() const noexcept;
    result<modem_lines> lines() const noexcept;
    result<void> set_lines(bool terminal_ready, bool request_send) const noexcept;
    // Only we may open it from now on (but for a privileged process).
    result<void> set_exclusive(bool on) const noexcept;
    // Drops what was received and not read, or sent and not gone.
    result<void> discard(bool received, bool sent) const noexcept;
    // Holds the line in its break state for that long; also ends it when cancelled or destroyed.
    [[nodiscard]] task<result<void>> send_break(duration length = std::chrono::milliseconds(250)) const;
    // Until all that was sent has left; looked at every 1 to 20 ms, because the system can only block for it.
    [[nodiscard]] task<result<void>> drained() const;

private:
    explicit terminal(socket source) noexcept : socket_(std::move(source)) {}
    static result<terminal> checked(result<socket> made);
    result<void> change(void (*edit)(void* settings, const void* how), const void* how) noexcept;

    socket socket_;
    // The settings from before the first change, as the system has them.
    alignas(8) std::array<std::byte, 64> before_{};
    bool changed_ = false;
};

// A serial line: raw, with its settings, for this program alone.
class serial_port : public terminal {
public:
    serial_port() noexcept = default;
    static result<serial_port> open(event_loop& loop, const std::string& path, const line_settings& wanted = {});

private:
    explicit serial_port(terminal of) noexcept : terminal(std::move(of)) {}
};

}  // namespace co_wq::io
