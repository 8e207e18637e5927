// Calls on open files, and where each call of a request goes.
#include <algorithm>
#include <cerrno>
#include <new>

#include "io/backend/native_files.hpp"
#include "io/backend/native_transfer.hpp"
#include "io/backend/nt_files.hpp"

namespace co_wq::io {
namespace nt {
namespace {

using detail::file_request;

constexpr std::size_t step_bytes_max = std::size_t{1} << 30;  // a DWORD counts bytes
// Further behind the end a write, or the end itself, makes a hole. NTFS would else fill it with zeros on the disk.
constexpr std::uint64_t hole_bytes_min = 1024 * 1024;

// What a thread waits for. One for each, for good.
struct thread_event {
    HANDLE handle = ::CreateEventW(nullptr, TRUE, FALSE, nullptr);
    thread_event() noexcept = default;
    thread_event(const thread_event&) = delete;
    thread_event& operator=(const thread_event&) = delete;
    ~thread_event() {
        if (handle) ::CloseHandle(handle);
    }
};

HANDLE event_of_thread() noexcept {
    static thread_local thread_event mine;
    return mine.handle;
}

bool is_folder(HANDLE handle) noexcept {
    nature what;
    return nature_of(handle, what) && what.directory();
}

// The same file, opened once more with other rights.
owned_handle with_access(HANDLE handle, ACCESS_MASK access) noexcept {
    const HANDLE made = ::ReOpenFile(handle, access, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                                     FILE_FLAG_BACKUP_SEMANTICS);
    return owned_handle(made == INVALID_HANDLE_VALUE ? nullptr : made);
}

// To flush is to write, for the system; who only reads a file, or a folder, may do it here as on Linux.
std::int64_t sync(HANDLE handle) noexcept {
    if (::FlushFileBuffers(handle)) return 0;
    if (::GetLastError() != ERROR_ACCESS_DENIED) return last_call_failed();
    const owned_handle writer = with_access(handle, FILE_WRITE_DATA | SYNCHRONIZE);
    if (!writer.get() || !::FlushFileBuffers(writer.get())) return last_call_failed();
    return 0;
}

std::int64_t set_end(HANDLE handle, std::uint64_t size) noexcept {
    FILE_END_OF_FILE_INFORMATION end{};
    end.EndOfFile.QuadPart = static_cast<std::int64_t>(size);
    const NTSTATUS status = set(handle, end, FileEndOfFileInformation);
    return NT_SUCCESS(status) ? 0 : failure_of(status);
}

void hole_up_to(HANDLE handle, std::uint64_t end) noexcept {
    if (end >= hole_bytes_min && size_of(handle) < end - hole_bytes_min) make_sparse(handle);
}

std::int64_t allocate(HANDLE handle, std::uint64_t end) noexcept {
    nature what;
    if (!nature_of(handle, what)) return last_call_failed();
    constexpr DWORD thin = FILE_ATTRIBUTE_SPARSE_FILE | FILE_ATTRIBUTE_COMPRESSED;
    if ((what.attributes & thin) != 0) return -EOPNOTSUPP;  // room is taken by writing alone
    if (end <= size_of(handle)) return 0;  // it has what it says
    FILE_ALLOCATION_INFORMATION room{};
    room.AllocationSize.QuadPart = static_cast<std::int64_t>(end);
    const NTSTATUS status = set(handle, room, FileAllocationInformation);
    return NT_SUCCESS(status) ? set_end(handle, end) : failure_of(status);
}

// Of the permissions there is one: to write.
std::int64_t set_mode(HANDLE handle, std::uint32_t mode) noexcept {
    nature what;
    if (!nature_of(handle, what)) return last_call_failed();
    if (what.directory()) return 0;  // the attribute means nothing for folders
    constexpr DWORD read_only = FILE_ATTRIBUTE_READONLY;
    const DWORD wanted = (mode & 0222) == 0 ? what.attributes | read_only : what.attributes & ~read_only;
    if (wanted == what.attributes) return 0;
    FILE_BASIC_INFORMATION basic{};
    basic.FileAttributes = wanted == 0 ? FILE_ATTRIBUTE_NORMAL : wanted;  // 0: leave it as it is
    NTSTATUS status = set(handle, basic, FileBasicInformation);
    if (status == STATUS_ACCESS_DENIED) {
        const owned_handle writer = with_access(handle, FILE_WRITE_ATTRIBUTES | SYNCHRONIZE);
        if (!writer.get()) return last_call_failed();
        status = set(writer.get(), basic, FileBasicInformation);
    }
    return NT_SUCCESS(status) ? 0 : failure_of(status);
}

std::int64_t call_once(file_request& request) {
    const HANDLE handle = handle_of(request.handle);
    const std::uint64_t offset = request.offset + request.done;
    const std::size_t left = request.length - request.done;
    switch (request.call) {
        case file_call::open: return open_path(request);
        case file_call::close: return ::CloseHandle(handle) ? 0 : last_call_failed();
        case file_call::read: return read(handle, offset, request.next_byte(), left);
        case file_call::write: hole_up_to(handle, offset); return write(handle, offset, request.next_byte(), left);
        case file_call::sync:
        case file_call::sync_data: return sync(handle);
        case file_call::status: return status(request);
        case file_call::truncate: hole_up_to(handle, request.offset); return set_end(handle, request.offset);
        case file_call::allocate: return allocate(handle, request.offset + request.length);
        case file_call::set_mode: return set_mode(handle, request.mode);
        case file_call::rename: return rename(request);
        case file_call::remove: return remove(request, false);
        case file_call::make_directory: return make_directory(request);
        case file_call::remove_directory: return remove(request, true);
        case file_call::list: return list(request);
        case file_call::transfer: return transfer_once(request);
    }
    return -ENOSYS;
}

}  // namespace

waited::waited(std::uint64_t offset) noexcept {
    overlapped_.Offset = static_cast<DWORD>(offset);
    overlapped_.OffsetHigh = static_cast<DWORD>(offset >> 32);
    // its lowest bit keeps a completion port, if somebody has joined the file to one, from hearing of it
    const auto number = reinterpret_cast<std::uintptr_t>(event_of_thread());
    overlapped_.hEvent = reinterpret_cast<HANDLE>(number == 0 ? 0 : number | 1);
}

std::int64_t waited::end(HANDLE handle, BOOL done) noexcept {
    DWORD count = 0;
    if (!done && ::GetLastError() != ERROR_IO_PENDING) return last_call_failed();
    if (!::GetOverlappedResult(handle, &overlapped_, &count, TRUE)) return last_call_failed();
    return count;
}

std::int64_t control(HANDLE handle, DWORD code, const void* in, std::size_t in_bytes, void* out,
                     std::size_t out_bytes) noexcept {
    waited call;
    if (!call.overlapped()->hEvent) return -ENOMEM;
    return call.end(handle, ::DeviceIoControl(handle, code, const_cast<void*>(in), static_cast<DWORD>(in_bytes), out,
                                              static_cast<DWORD>(out_bytes), nullptr, call.overlapped()));
}

std::int64_t read(HANDLE handle, std::uint64_t offset, void* into, std::size_t size) noexcept {
    waited call(offset);
    if (!call.overlapped()->hEvent) return -ENOMEM;
    const auto most = static_cast<DWORD>(std::min(size, step_bytes_max));
    const std::int64_t got = call.end(handle, ::ReadFile(handle, into, most, nullptr, call.overlapped()));
    if (got >= 0) return got;
    switch (-got - system_code_base) {
        case ERROR_HANDLE_EOF:
        case ERROR_BROKEN_PIPE: return 0;
        case ERROR_INVALID_FUNCTION:
        case ERROR_INVALID_PARAMETER: return is_folder(handle) ? -EISDIR : got;
        default: return got;
    }
}

std::int64_t write(HANDLE handle, std::uint64_t offset, const void* from, std::size_t size) noexcept {
    waited call(offset);
    if (!call.overlapped()->hEvent) return -ENOMEM;
    const auto most = static_cast<DWORD>(std::min(size, step_bytes_max));
    return call.end(handle, ::WriteFile(handle, from, most, nullptr, call.overlapped()));
}

std::uint64_t size_of(HANDLE handle) noexcept {
    LARGE_INTEGER size{};
    return ::GetFileSizeEx(handle, &size) ? static_cast<std::uint64_t>(size.QuadPart) : 0;
}

void make_sparse(HANDLE handle) noexcept { (void)control(handle, FSCTL_SET_SPARSE, nullptr, 0, nullptr, 0); }

}  // namespace nt

void perform_file_call(detail::file_request& request) noexcept {
    const auto once = [&]() noexcept -> std::int64_t {
        try {
            return nt::call_once(request);
        } catch (const std::bad_alloc&) {
            return -ENOMEM;
        }
    };
    do {
        const bool stop = request.unwanted.load(std::memory_order_relaxed) && request.call != file_call::close;
        if (stop) {
            request.failure = -ECANCELED;
            return;
        }
    } while (request.advance(once()));
}

bool read_cached(detail::file_request&, bool& supported) noexcept {
    supported = false;
    return false;
}

void close_now(native_handle handle) noexcept { ::CloseHandle(nt::handle_of(handle)); }

}  // namespace co_wq::io
