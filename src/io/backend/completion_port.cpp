#include "io/backend/completion_port.hpp"

#include <winsock2.h>
#include <winternl.h>

#include <array>
#include <system_error>
#include <vector>

#include "io/backend/afd.hpp"
#include "io/backend/handle_windows.hpp"
#include "io/backend/native_sockets.hpp"
#include "io/backend/socket_handle_windows.hpp"

// Documented, but in no header of programs.
extern "C" {
NTSTATUS NTAPI NtReadFile(HANDLE, HANDLE, PIO_APC_ROUTINE, PVOID, PIO_STATUS_BLOCK, PVOID, ULONG, PLARGE_INTEGER,
                          PULONG);
NTSTATUS NTAPI NtWriteFile(HANDLE, HANDLE, PIO_APC_ROUTINE, PVOID, PIO_STATUS_BLOCK, PVOID, ULONG, PLARGE_INTEGER,
                           PULONG);
}

namespace co_wq::io {
namespace {

constexpr NTSTATUS status_pending = 0x103;
constexpr NTSTATUS buffer_overflow = static_cast<NTSTATUS>(0x80000005);
constexpr NTSTATUS pipe_connected = static_cast<NTSTATUS>(0xC00000B2);
constexpr NTSTATUS pipe_closing = static_cast<NTSTATUS>(0xC00000B1);
constexpr ULONG ioctl_afd_poll = 0x00012024, fsctl_pipe_listen = 0x00110008;
static_assert(offsetof(OVERLAPPED, Internal) == 0 && sizeof(IO_STATUS_BLOCK) <= sizeof(OVERLAPPED));

[[noreturn]] void fail_with(const char* what) {
    throw std::system_error(static_cast<int>(::GetLastError()), std::system_category(), what);
}

class native_port final : public completion_port {
public:
    native_port() : port_(::CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, 1)) {
        if (!port_) fail_with("CreateIoCompletionPort");
        (void)native_sockets();  // Winsock has begun
    }
    native_port(const native_port&) = delete;
    native_port& operator=(const native_port&) = delete;
    ~native_port() override {
        for (const lane_handle& each : lanes_)
            if (each.through) ::closesocket(reinterpret_cast<SOCKET>(each.through));
        ::CloseHandle(port_);
    }

    // The name goes as the call's context, which comes back in the packet as it is.
    start_outcome start_poll(os::kernel_memory& operation, std::uint64_t word, std::uint32_t lane, native_handle socket,
                             std::uint32_t events) noexcept override {
        const lane_handle* const by = find_lane(lane);
        if (!by) return start_outcome::refused;
        IO_STATUS_BLOCK& status = begin(operation);
        afd::operation& memory = afd::in(operation);
        memory.answer.socket = reinterpret_cast<HANDLE>(to_socket(socket));
        memory.answer.events = events;
        afd::poll_question question = memory.answer;
        const start_outcome came = began(
            ::NtDeviceIoControlFile(by->through, nullptr, nullptr, reinterpret_cast<void*>(word), &status,
                                    ioctl_afd_poll, &question, sizeof question, &memory.answer, sizeof memory.answer));
        return came == start_outcome::done && !by->quiet_on_success ? start_outcome::pending : came;
    }

    bool associate(native_handle pipe) noexcept override {
        const HANDLE file = nt::handle_of(pipe);
        if (!::CreateIoCompletionPort(file, port_, 0, 0)) return false;
        // without these modes a packet comes where none is expected: it names an ended operation, and is dropped
        (void)::SetFileCompletionNotificationModes(file, quiet_modes);
        return true;
    }

    start_outcome start_read(os::kernel_memory& operation, std::uint64_t word, native_handle pipe,
                             bytes into) noexcept override {
        IO_STATUS_BLOCK& status = begin(operation);
        LARGE_INTEGER nowhere{};
        return began(::NtReadFile(nt::handle_of(pipe), nullptr, nullptr, reinterpret_cast<void*>(word), &status,
                                  into.data(), static_cast<ULONG>(into.size()), &nowhere, nullptr));
    }

    start_outcome start_write(os::kernel_memory& operation, std::uint64_t word, native_handle pipe,
                              const_bytes data) noexcept override {
        IO_STATUS_BLOCK& status = begin(operation);
        LARGE_INTEGER nowhere{};
        return began(::NtWriteFile(nt::handle_of(pipe), nullptr, nullptr, reinterpret_cast<void*>(word), &status,
                                   const_cast<std::byte*>(data.data()), static_cast<ULONG>(data.size()), &nowhere,
                                   nullptr));
    }

    start_outcome start_listen(os::kernel_memory& operation, std::uint64_t word, native_handle pipe) noexcept override {
        IO_STATUS_BLOCK& status = begin(operation);
        const NTSTATUS got = ::NtFsControlFile(nt::handle_of(pipe), nullptr, nullptr, reinterpret_cast<void*>(word),
                                               &status, fsctl_pipe_listen, nullptr, 0, nullptr, 0);
        return got == pipe_connected || got == pipe_closing ? start_outcome::done : began(got);
    }

    bool cancel_on(os::kernel_memory& operation, native_handle pipe) noexcept override {
        return ::CancelIoEx(nt::handle_of(pipe), &afd::in(operation).overlapped) != 0;
    }

    bool cancel(os::kernel_memory& operation, std::uint32_t lane) noexcept override {
        const lane_handle* const by = find_lane(lane);
        return by && ::CancelIoEx(by->through, &afd::in(operation).overlapped);
    }

    std::size_t take(std::span<packet> into, std::int64_t limit_ms) noexcept override {
        std::array<OVERLAPPED_ENTRY, 256> entries;
        ULONG count = 0;
        const ULONG room = static_cast<ULONG>(std::min(into.size(), entries.size()));
        const DWORD limit = limit_ms < 0 ? INFINITE : static_cast<DWORD>(std::min<std::int64_t>(limit_ms, 1 << 30));
        if (!::GetQueuedCompletionStatusEx(port_, entries.data(), room, &count, limit, FALSE)) return 0;
        for (ULONG i = 0; i < count; ++i)
            into[i] = {reinterpret_cast<std::uintptr_t>(entries[i].lpOverlapped),
                       static_cast<std::uint32_t>(entries[i].Internal)};
        return count;
    }

    void wake() noexcept override { ::PostQueuedCompletionStatus(port_, 0, 0, nullptr); }

private:
    static constexpr UCHAR quiet_modes = FILE_SKIP_COMPLETION_PORT_ON_SUCCESS | FILE_SKIP_SET_EVENT_ON_HANDLE;

    static IO_STATUS_BLOCK& begin(os::kernel_memory& operation) noexcept {
        afd::operation& memory = afd::in(operation);
        memory = {};
        auto& status = *reinterpret_cast<IO_STATUS_BLOCK*>(&memory.overlapped);
        status.Status = status_pending;
        return status;
    }
    // A message that is longer than the buffer is a success. Whether that success is a quiet one the system does not
    // say: if it is not, its packet names an operation that has ended.
    static start_outcome began(NTSTATUS status) noexcept {
        if (status == status_pending) return start_outcome::pending;
        if (NT_SUCCESS(status) || status == buffer_overflow) return start_outcome::done;
        ::SetLastError(::RtlNtStatusToDosError(status));
        return start_outcome::refused;
    }

    // A socket of our own: the driver takes polls of any socket by it.
    struct lane_handle {
        HANDLE through = nullptr;
        bool quiet_on_success = false;
    };

    const lane_handle* find_lane(std::uint32_t lane) noexcept {
        if (lane >= lanes_.size()) lanes_.resize(lane + 1);
        lane_handle& found = lanes_[lane];
        if (!found.through && !open(found)) return nullptr;
        return &found;
    }
    bool open(lane_handle& lane) noexcept {
        const SOCKET made = open_socket(AF_INET, SOCK_STREAM);
        if (made == INVALID_SOCKET) return false;
        const auto through = reinterpret_cast<HANDLE>(made);
        if (!::CreateIoCompletionPort(through, port_, 0, 0)) {
            const DWORD saved = ::GetLastError();
            ::closesocket(made);
            ::SetLastError(saved);
            return false;
        }
        lane = {through, ::SetFileCompletionNotificationModes(through, quiet_modes) != 0};
        return true;
    }

    HANDLE port_;
    std::vector<lane_handle> lanes_;
};

}  // namespace

std::unique_ptr<completion_port> make_completion_port() { return std::make_unique<native_port>(); }

}  // namespace co_wq::io
