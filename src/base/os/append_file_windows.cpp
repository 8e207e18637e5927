#include <windows.h>

#include <algorithm>
#include <cstdint>

#include "base/os/append_file.hpp"
#include "base/os/windows.hpp"

namespace co_wq::os {
namespace {

constexpr std::size_t piece_max = 4096;
constexpr std::size_t write_max = std::size_t{1} << 30;  // a DWORD counts bytes

// "64-bit versions of Windows use 32-bit handles for interoperability": they fit an int, and come back by its sign.
HANDLE handle_of(int kept) noexcept { return reinterpret_cast<HANDLE>(static_cast<std::intptr_t>(kept)); }
int kept(HANDLE handle) noexcept { return static_cast<int>(reinterpret_cast<std::intptr_t>(handle)); }

// Calls off what this thread is blocked in once the time is up, and again until this object dies: the call may not have
// begun when it is.
class time_limit {
public:
    explicit time_limit(std::chrono::milliseconds patience) noexcept {
        const HANDLE process = ::GetCurrentProcess();
        if (!::DuplicateHandle(process, ::GetCurrentThread(), process, &thread_, 0, FALSE, DUPLICATE_SAME_ACCESS))
            thread_ = nullptr;
        if (thread_) timer_ = ::CreateThreadpoolTimer(&time_limit::cancel, thread_, nullptr);
        if (!timer_) return;
        constexpr DWORD again_ms = 10;
        const std::int64_t ticks = -10'000 * std::max<std::int64_t>(patience.count(), 1);  // of 100 ns, from now on
        const auto unsigned_ticks = static_cast<std::uint64_t>(ticks);
        FILETIME due{};
        due.dwLowDateTime = static_cast<DWORD>(unsigned_ticks);
        due.dwHighDateTime = static_cast<DWORD>(unsigned_ticks >> 32);
        ::SetThreadpoolTimer(timer_, &due, again_ms, 0);
    }
    time_limit(const time_limit&) = delete;
    time_limit& operator=(const time_limit&) = delete;
    ~time_limit() {
        if (timer_) {
            ::SetThreadpoolTimer(timer_, nullptr, 0, 0);
            ::WaitForThreadpoolTimerCallbacks(timer_, TRUE);
            ::CloseThreadpoolTimer(timer_);
        }
        if (thread_) ::CloseHandle(thread_);
    }
    bool set() const noexcept { return timer_ != nullptr; }

private:
    static void CALLBACK cancel(PTP_CALLBACK_INSTANCE, void* thread, PTP_TIMER) noexcept {
        (void)::CancelSynchronousIo(thread);
    }

    HANDLE thread_ = nullptr;
    PTP_TIMER timer_ = nullptr;
};

result<std::size_t> write(HANDLE to, std::string_view data) noexcept {
    DWORD put = 0;
    if (::WriteFile(to, data.data(), static_cast<DWORD>(std::min(data.size(), write_max)), &put, nullptr)) return put;
    const DWORD code = ::GetLastError();
    if (code == ERROR_OPERATION_ABORTED) return put;
    return fail(from_windows(code));
}

}  // namespace

append_file::~append_file() {
    if (owned_ && handle_ != -1) ::CloseHandle(handle_of(handle_));
}

result<append_file> append_file::open(const std::string& path) {
    append_file made;
    HANDLE handle = nullptr;
    if (path == "-") {
        handle = ::GetStdHandle(STD_OUTPUT_HANDLE);
        if (!handle || handle == INVALID_HANDLE_VALUE) return fail(errc::closed);
    } else {
        const std::optional<std::wstring> name = to_wide(path);
        if (!name) return fail(errc::invalid_argument);
        const bool pipe = name->starts_with(L"\\\\.\\pipe\\");  // for it, the right to append is another one
        const DWORD access = pipe ? GENERIC_WRITE : FILE_APPEND_DATA | FILE_READ_ATTRIBUTES | SYNCHRONIZE;
        handle = ::CreateFileW(name->c_str(), access, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr,
                               pipe ? OPEN_EXISTING : OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, nullptr);
        if (handle == INVALID_HANDLE_VALUE) {
            const error why = last_error();
            const DWORD there = ::GetFileAttributesW(name->c_str());
            const bool folder = there != INVALID_FILE_ATTRIBUTES && (there & FILE_ATTRIBUTE_DIRECTORY) != 0;
            return fail(folder ? error(errc::is_directory, why.os_code()) : why);
        }
        made.owned_ = true;
    }
    made.handle_ = kept(handle);
    made.kind_ = ::GetFileType(handle) == FILE_TYPE_DISK ? kind::regular : kind::other;
    return made;
}

result<std::size_t> append_file::append(std::string_view data, std::chrono::milliseconds patience) noexcept {
    const HANDLE to = handle_of(handle_);
    if (kind_ == kind::regular) return write(to, data);
    const time_limit limit(patience);
    if (!limit.set()) return fail(errc::no_buffers);
    return write(to, data.substr(0, piece_max));
}

bool append_file::same_file_as(const append_file& other) const noexcept {
    BY_HANDLE_FILE_INFORMATION mine{}, its{};
    return ::GetFileInformationByHandle(handle_of(handle_), &mine) &&
           ::GetFileInformationByHandle(handle_of(other.handle_), &its) &&
           mine.dwVolumeSerialNumber == its.dwVolumeSerialNumber && mine.nFileIndexHigh == its.nFileIndexHigh &&
           mine.nFileIndexLow == its.nFileIndexLow;
}

void block_file_size_signal() noexcept {}

}  // namespace co_wq::os
