#include <algorithm>
#include <cstring>
#include <mutex>
#include <system_error>
#include <vector>

#include "base/os/windows_service.hpp"
#include "io/backend/native_address.hpp"
#include "io/backend/native_sockets.hpp"
#include "io/backend/signal_doors.hpp"
#include "io/backend/socket_handle_windows.hpp"
#include "io/signal.hpp"

namespace co_wq::io {

namespace signals {
// the numbers of Linux: none of them comes
const int user_1 = 10, user_2 = 12, child = 17, go_on = 18, stop = 19, window_size = 28;

int real_time(int) noexcept { CO_WQ_REQUIRE(false, "there is a real-time signal of that index"); }
int real_time_count() noexcept { return 0; }
}  // namespace signals

namespace {

using raw_signal = std::array<std::byte, 128>;
static_assert(sizeof(signal_info) <= sizeof(raw_signal));

std::uint64_t bit_of(int number) noexcept {
    return number > 0 && number <= signal_doors::number_max ? std::uint64_t{1} << number : 0;
}

std::uint64_t bits_of(std::initializer_list<int> numbers) noexcept {
    std::uint64_t bits = 0;
    for (const int each : numbers) bits |= bit_of(each);
    return bits;
}

raw_signal encode(const signal_info& info) noexcept {
    raw_signal raw{};
    std::memcpy(raw.data(), &info, sizeof info);
    return raw;
}

// What the console's thread and the loops share. A set is a datagram socket that is connected to itself: what the
// console's thread sends there, the set's loop receives.
class signal_desk {
public:
    // Never destroyed: signals come on threads of the system, up to the end of the process.
    static signal_desk& get() noexcept {
        static auto* desk = new signal_desk;
        return *desk;
    }

    std::uint64_t block(std::uint64_t bits) noexcept {
        const std::scoped_lock guard(lock_);
        if (!handles_) handles_ = ::SetConsoleCtrlHandler(&came, TRUE) != 0;
        doors_.open(bits, &knocked);
        return std::exchange(blocked_, blocked_ | bits);
    }
    void set_blocked(std::uint64_t bits) noexcept {
        const std::scoped_lock guard(lock_);
        blocked_ = bits;
    }
    int take_pending(std::uint64_t bits) noexcept {
        const std::scoped_lock guard(lock_);
        return static_cast<int>(
            std::erase_if(pending_, [&](const signal_info& each) { return (bit_of(each.number) & bits) != 0; }));
    }
    // False: nobody wants it kept, and it has its ordinary effect.
    bool deliver(const signal_info& info) noexcept {
        const std::scoped_lock guard(lock_);
        if (!(blocked_ & bit_of(info.number))) return false;
        for (const reader& each : readers_)
            if (each.bits & bit_of(info.number) && send(each, info)) return true;
        const auto same = [&](const signal_info& kept) { return kept.number == info.number; };
        // of the console's, one of each; what others send counts: a second "terminate" says more than the first
        const bool kept = info.origin == signal_origin::kernel && std::ranges::any_of(pending_, same);
        if (!kept && pending_.size() < pending_max) pending_.push_back(info);
        return true;
    }
    void add(SOCKET socket, std::uint64_t bits) {
        const std::scoped_lock guard(lock_);
        readers_.push_back({socket, bits});
        std::erase_if(pending_, [&](const signal_info& each) {
            return (bit_of(each.number) & bits) != 0 && send(readers_.back(), each);
        });
    }
    void remove(SOCKET socket) noexcept {
        const std::scoped_lock guard(lock_);
        std::erase_if(readers_, [&](const reader& each) { return each.socket == socket; });
    }

private:
    struct reader {
        SOCKET socket;
        std::uint64_t bits;
    };
    static constexpr std::size_t pending_max = 64;

    static bool send(const reader& to, const signal_info& info) noexcept {
        const raw_signal raw = encode(info);
        return ::send(to.socket, reinterpret_cast<const char*>(raw.data()), sizeof raw, 0) == sizeof raw;
    }
    static void knocked(int number) noexcept {
        signal_info info;
        info.number = number;
        info.origin = signal_origin::process;
        (void)get().deliver(info);
    }
    static BOOL WINAPI came(DWORD event) noexcept {
        // a service hears that others log off, and of the system's end from the service control manager
        if (os::is_service() && (event == CTRL_LOGOFF_EVENT || event == CTRL_SHUTDOWN_EVENT)) return TRUE;
        signal_info info;
        const bool last = event == CTRL_CLOSE_EVENT || event == CTRL_LOGOFF_EVENT || event == CTRL_SHUTDOWN_EVENT;
        info.number = event == CTRL_C_EVENT       ? signals::interrupt
                      : event == CTRL_BREAK_EVENT ? signals::quit
                                                  : signals::terminate;
        info.code = static_cast<int>(event);
        if (!get().deliver(info)) return FALSE;
        if (last) ::Sleep(INFINITE);  // the process ends when this returns
        return TRUE;
    }

    std::mutex lock_;
    bool handles_ = false;
    signal_doors doors_;
    std::uint64_t blocked_ = 0;
    std::vector<signal_info> pending_;
    std::vector<reader> readers_;
};

native_handle open_source(std::initializer_list<int> numbers) {
    const auto require = [](bool done, const char* what) {
        if (!done) throw std::system_error(::WSAGetLastError(), std::system_category(), what);
    };
    const result<native_handle> opened = native_sockets().open_datagram(address_family::ipv4);
    require(opened.has_value(), "socket");
    const SOCKET socket = to_socket(*opened);
    try {
        native_address own = to_native(socket_address::loopback(0));
        require(::bind(socket, own.get(), own.length) == 0, "bind");
        require(::getsockname(socket, own.get(), &own.length) == 0, "getsockname");
        require(::connect(socket, own.get(), own.length) == 0, "connect");
        signal_desk::get().add(socket, bits_of(numbers));
    } catch (...) {
        ::closesocket(socket);
        throw;
    }
    return *opened;
}

std::uint64_t bits_in(const std::array<std::byte, 128>& place) noexcept {
    std::uint64_t bits = 0;
    std::memcpy(&bits, place.data(), sizeof bits);
    return bits;
}

native_handle open_on(event_loop& loop, std::initializer_list<int> numbers) {
    if (&loop.reactor().calls() != &native_sockets())
        throw std::system_error(std::make_error_code(std::errc::not_supported), "signals in a simulation");
    return open_source(numbers);
}

}  // namespace

void block_signals(std::initializer_list<int> numbers) noexcept { signal_desk::get().block(bits_of(numbers)); }

void ignore_sigpipe() noexcept {}  // there is none

blocked_signals::blocked_signals(std::initializer_list<int> numbers) noexcept : thread_(::GetCurrentThreadId()) {
    const std::uint64_t bits = bits_of(numbers), before = signal_desk::get().block(bits);
    std::memcpy(numbers_.data(), &bits, sizeof bits);
    std::memcpy(before_.data(), &before, sizeof before);
}

blocked_signals::~blocked_signals() {
    CO_WQ_REQUIRE(thread_ == ::GetCurrentThreadId(), "a thread's signal mask is put back by that thread");
    signal_desk::get().set_blocked(bits_in(before_));
}

int blocked_signals::take_pending() noexcept { return signal_desk::get().take_pending(bits_in(numbers_)); }

result<void> queue_signal(int process, int number, int value) noexcept {
    if (process <= 0 || bit_of(number) == 0) return fail(errc::invalid_argument);
    if (static_cast<DWORD>(process) != ::GetCurrentProcessId()) return knock(process, number);
    signal_info info;
    info.number = number;
    info.origin = signal_origin::queued;
    info.process = process;
    info.value = value;
    if (!signal_desk::get().deliver(info)) return fail(errc::not_supported);  // it has no ordinary effect to have
    return {};
}

void detail::end_signals(native_handle source) noexcept { signal_desk::get().remove(to_socket(source)); }

signal_info detail::decode_signal(const std::array<std::byte, 128>& raw) noexcept {
    signal_info info;
    std::memcpy(&info, raw.data(), sizeof info);
    return info;
}

signal_set::signal_set(event_loop& loop, std::initializer_list<int> numbers)
    : source_(loop, open_on(loop, numbers), descriptor_kind::datagram) {}

}  // namespace co_wq::io
