#include <asm/termbits.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "io/backend/native_pipes.hpp"
#include "io/backend/retry_interrupted.hpp"
#include "io/signal.hpp"
#include "io/terminal.hpp"
#include "sync/sleep.hpp"

namespace co_wq::io {
namespace {

std::unexpected<error> failure() noexcept {
    if (errno == ENOTTY || errno == EINVAL) return fail(errc::not_supported, errno);
    if (errno == EIO) return fail(errc::connection_reset, EIO);
    return fail(from_errno(errno));
}

template <class... Argument>
result<void> control(native_handle handle, unsigned long request, Argument... argument) noexcept {
    if (handle == no_handle) return fail(errc::closed);
    if (retry_interrupted([&] { return ::ioctl(handle, request, argument...); }) < 0) return failure();
    return {};
}

// A process in the background that changes a terminal is stopped by SIGTTOU, unless it blocks that.
result<void> put_settings(native_handle handle, const termios2& settings) noexcept {
    const blocked_signals undisturbed({SIGTTOU});
    return control(handle, TCSETS2, &settings);
}

void edit_raw(void* to, const void*) noexcept {
    auto& settings = *static_cast<termios2*>(to);
    settings.c_iflag &= ~static_cast<tcflag_t>(IGNBRK | BRKINT | PARMRK | INPCK | ISTRIP | INLCR | IGNCR | ICRNL |
                                               IXON | IXOFF | IXANY | IUCLC | IMAXBEL);
    settings.c_oflag &= ~static_cast<tcflag_t>(OPOST);
    settings.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    settings.c_cflag = (settings.c_cflag & ~static_cast<tcflag_t>(CSIZE | PARENB)) | CS8;
    settings.c_cc[VMIN] = 1;  // 0 would make an empty line look ended
    settings.c_cc[VTIME] = 0;
}

void edit_echo(void* to, const void* how) noexcept {
    auto& settings = *static_cast<termios2*>(to);
    settings.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    if (*static_cast<const bool*>(how)) settings.c_lflag |= ECHO;
}

constexpr tcflag_t size_bits[] = {CS5, CS6, CS7, CS8};
constexpr tcflag_t parity_bits[] = {0, PARENB, PARENB | PARODD, PARENB | PARODD | CMSPAR, PARENB | CMSPAR};
constexpr tcflag_t parity_mask = PARENB | PARODD | CMSPAR;

void edit_line(void* to, const void* how) noexcept {
    edit_raw(to, nullptr);
    auto& settings = *static_cast<termios2*>(to);
    const auto& wanted = *static_cast<const line_settings*>(how);
    settings.c_cflag &= ~static_cast<tcflag_t>(CBAUD | (CBAUD << IBSHIFT) | CSIZE | parity_mask | CSTOPB | CRTSCTS);
    settings.c_cflag |=
        BOTHER | CREAD | CLOCAL | size_bits[wanted.data_bits - 5] | parity_bits[static_cast<unsigned>(wanted.parity)];
    if (wanted.stop_bits == 2) settings.c_cflag |= CSTOPB;
    if (wanted.flow == flow_control::hardware) settings.c_cflag |= CRTSCTS;
    if (wanted.flow == flow_control::software) settings.c_iflag |= IXON | IXOFF;
    settings.c_ispeed = settings.c_ospeed = wanted.baud;
}

bool equal(const line_settings& left, const line_settings& right) noexcept {
    // a divisor seldom meets a rate exactly; the line tolerates some percent
    const auto apart = std::max(left.baud, right.baud) - std::min(left.baud, right.baud);
    return apart <= right.baud / 33 && left.data_bits == right.data_bits && left.parity == right.parity &&
           left.stop_bits == right.stop_bits && left.flow == right.flow;
}

// Ends the break whatever becomes of the wait.
struct break_state {
    explicit break_state(native_handle line) noexcept : handle(line) {}
    break_state(const break_state&) = delete;
    ~break_state() { (void)control(handle, TIOCCBRK); }
    native_handle handle;
};

// These have a descriptor of their own: the terminal may be closed meanwhile, and its number used again.
task<result<void>> hold_break(result<file_handle> line, duration length) {
    if (!line) co_return std::unexpected(line.error());
    const result<void> begun = control(line->get(), TIOCSBRK);
    if (!begun) co_return begun;
    const break_state held(line->get());
    const result<void> slept = co_await sleep_for(length);
    co_return slept;
}

task<result<void>> until_sent(result<file_handle> line) {
    if (!line) co_return std::unexpected(line.error());
    for (duration pause = std::chrono::milliseconds(1);;
         pause = std::min<duration>(pause * 2, std::chrono::milliseconds(20))) {
        int left = 0;
        const result<void> asked = control(line->get(), TIOCOUTQ, &left);
        if (!asked || left == 0) co_return asked;
        const result<void> slept = co_await sleep_for(pause);
        if (!slept) co_return slept;
    }
}

result<file_handle> another(native_handle handle) noexcept {
    if (handle == no_handle) return fail(errc::closed);
    return duplicate(handle);
}

static_assert(sizeof(termios2) <= 64);

}  // namespace

result<terminal> terminal::checked(result<socket> made) {
    if (!made) return std::unexpected(made.error());
    termios2 settings{};
    const result<void> is_one = control(made->handle(), TCGETS2, &settings);
    if (!is_one) return std::unexpected(is_one.error());
    return terminal(std::move(*made));
}

result<terminal> terminal::open(event_loop& loop, const std::string& path) {
    if (const result<void> real = require_system(loop); !real) return std::unexpected(real.error());
    const int handle =
        retry_interrupted([&] { return ::open(path.c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC); });
    if (handle < 0) return fail(from_errno(errno));
    return adopt(loop, file_handle(handle));
}

result<terminal> terminal::share(event_loop& loop, native_handle handle) {
    return checked(share_file(loop, handle, file_use::to_both));
}

result<terminal> terminal::adopt(event_loop& loop, file_handle file) {
    return checked(adopt_file(loop, std::move(file), file_use::to_both));
}

void terminal::close() noexcept {
    if (!is_open()) return;
    (void)restore();
    socket_.close();
}

result<void> terminal::change(void (*edit)(void* settings, const void* how), const void* how) noexcept {
    termios2 settings{};
    const result<void> got = control(handle(), TCGETS2, &settings);
    if (!got) return got;
    if (!changed_) std::memcpy(before_.data(), &settings, sizeof settings);
    edit(&settings, how);
    const result<void> put = put_settings(handle(), settings);
    if (put) changed_ = true;
    return put;
}

result<void> terminal::make_raw() noexcept { return change(&edit_raw, nullptr); }
result<void> terminal::set_echo(bool on) noexcept { return change(&edit_echo, &on); }

result<void> terminal::restore() noexcept {
    if (!changed_) return {};
    termios2 settings{};
    std::memcpy(&settings, before_.data(), sizeof settings);
    const result<void> put = put_settings(handle(), settings);
    if (put) changed_ = false;
    return put;
}

result<window_size> terminal::size() const noexcept {
    winsize got{};
    const result<void> asked = control(handle(), TIOCGWINSZ, &got);
    if (!asked) return std::unexpected(asked.error());
    return window_size{
        .rows = got.ws_row, .columns = got.ws_col, .width_px = got.ws_xpixel, .height_px = got.ws_ypixel};
}

result<void> terminal::set_size(const window_size& size) const noexcept {
    const winsize wanted{
        .ws_row = size.rows, .ws_col = size.columns, .ws_xpixel = size.width_px, .ws_ypixel = size.height_px};
    return control(handle(), TIOCSWINSZ, &wanted);
}

result<void> terminal::configure(const line_settings& wanted) noexcept {
    if (wanted.data_bits < 5 || wanted.data_bits > 8 || wanted.stop_bits < 1 || wanted.stop_bits > 2 ||
        wanted.baud == 0)
        return fail(errc::invalid_argument, EINVAL);
    const result<void> put = change(&edit_line, &wanted);
    if (!put) return put;
    const result<line_settings> made = settings();
    if (!made) return std::unexpected(made.error());
    if (!equal(*made, wanted)) return fail(errc::not_supported);
    return {};
}

result<line_settings> terminal::settings() const noexcept {
    termios2 got{};
    const result<void> asked = control(handle(), TCGETS2, &got);
    if (!asked) return std::unexpected(asked.error());
    line_settings made{.baud = got.c_ospeed, .stop_bits = got.c_cflag & CSTOPB ? 2 : 1};
    for (int i = 0; i < 4; ++i)
        if ((got.c_cflag & CSIZE) == size_bits[i]) made.data_bits = 5 + i;
    for (unsigned i = 0; i < std::size(parity_bits); ++i)
        if ((got.c_cflag & parity_mask) == parity_bits[i]) made.parity = static_cast<parity>(i);
    if (got.c_iflag & IXON) made.flow = flow_control::software;
    if (got.c_cflag & CRTSCTS) made.flow = flow_control::hardware;
    return made;
}

result<modem_lines> terminal::lines() const noexcept {
    int bits = 0;
    const result<void> asked = control(handle(), TIOCMGET, &bits);
    if (!asked) return std::unexpected(asked.error());
    return modem_lines{.terminal_ready = (bits & TIOCM_DTR) != 0,
                       .request_send = (bits & TIOCM_RTS) != 0,
                       .clear_send = (bits & TIOCM_CTS) != 0,
                       .data_set_ready = (bits & TIOCM_DSR) != 0,
                       .carrier = (bits & TIOCM_CAR) != 0,
                       .ring = (bits & TIOCM_RNG) != 0};
}

result<void> terminal::set_lines(bool terminal_ready, bool request_send) const noexcept {
    const int on = (terminal_ready ? TIOCM_DTR : 0) | (request_send ? TIOCM_RTS : 0);
    const int off = (TIOCM_DTR | TIOCM_RTS) & ~on;
    const result<void> raised = control(handle(), TIOCMBIS, &on);
    if (!raised) return raised;
    return control(handle(), TIOCMBIC, &off);
}

result<void> terminal::set_exclusive(bool on) const noexcept {
    return control(handle(), on ? static_cast<unsigned long>(TIOCEXCL) : static_cast<unsigned long>(TIOCNXCL));
}

result<void> terminal::discard(bool received, bool sent) const noexcept {
    if (!received && !sent) return {};
    return control(handle(), TCFLSH, received && sent ? TCIOFLUSH : received ? TCIFLUSH : TCOFLUSH);
}

task<result<void>> terminal::send_break(duration length) const { return hold_break(another(handle()), length); }
task<result<void>> terminal::drained() const { return until_sent(another(handle())); }

result<serial_port> serial_port::open(event_loop& loop, const std::string& path, const line_settings& wanted) {
    result<terminal> made = terminal::open(loop, path);
    if (!made) return std::unexpected(made.error());
    const result<void> alone = made->set_exclusive(true);
    if (!alone) return std::unexpected(alone.error());
    const result<void> set = made->configure(wanted);
    if (!set) return std::unexpected(set.error());
    return serial_port(std::move(*made));
}

}  // namespace co_wq::io
