// The system's own file calls, below CreateFile: those know names below an open folder, names of any length, and say
// more exactly what went wrong. Only for files of Windows.
//
// Threads: any. All of it may block.
// Sources: Microsoft's "NtCreateFile", "NtSetInformationFile", "NtQueryDirectoryFile", [MS-FSCC].
#pragma once

#define WIN32_NO_STATUS
#include <windows.h>
#undef WIN32_NO_STATUS
#include <ntstatus.h>
#include <winioctl.h>
#include <winternl.h>

#include <cstdint>
#include <string>
#include <utility>

#include "io/backend/handle_windows.hpp"
#include "io/file_request.hpp"

namespace co_wq::io::nt {

// What a path leads to: a name below an open folder, or, without one, a whole name of the system's. "." and ".." are
// gone: they are taken by the letter, not by what links say.
struct place {
    HANDLE folder = nullptr;
    std::wstring name;
    std::int32_t failure = 0;  // it names nothing
};
place place_of(native_handle folder, const char* path);

// The codes that portable code knows by their errno, else the system's own.
std::int32_t failure_of(NTSTATUS status) noexcept;
// The same of a call on a path: a file stands where a folder should.
std::int32_t failure_of(NTSTATUS status, const place& at);
std::int32_t last_call_failed() noexcept;  // GetLastError

struct how_to_open {
    ACCESS_MASK access = 0;  // SYNCHRONIZE and FILE_READ_ATTRIBUTES besides
    ULONG disposition = FILE_OPEN;
    ULONG options = 0;
    ULONG attributes = FILE_ATTRIBUTE_NORMAL;
};
// Shared with everybody, for everything. made: it was not there before.
NTSTATUS open(owned_handle& into, const place& at, const how_to_open& how, bool* made = nullptr) noexcept;

struct nature {
    DWORD attributes = 0;
    DWORD tag = 0;  // of a reparse point
    bool directory() const noexcept { return (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0; }
    bool reparse() const noexcept { return (attributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0; }
    // A symbolic link, a junction or its like; Wine has no tag. Other reparse points are files or folders that are
    // stored in another way.
    bool link() const noexcept { return reparse() && (tag == 0 || IsReparseTagNameSurrogate(tag)); }
};
bool nature_of(HANDLE handle, nature& out) noexcept;
file_type type_of(const nature& what) noexcept;

template <class Information>
NTSTATUS set(HANDLE handle, Information& what, int number, std::size_t bytes = sizeof(Information)) noexcept {
    IO_STATUS_BLOCK done{};
    return ::NtSetInformationFile(handle, &done, &what, static_cast<ULONG>(bytes),
                                  static_cast<FILE_INFORMATION_CLASS>(number));
}

// ---- on open files
// Waits for calls on handles of either kind, those that wait by themselves and those for overlapped calls.
class waited {
public:
    explicit waited(std::uint64_t offset = 0) noexcept;
    OVERLAPPED* overlapped() noexcept { return &overlapped_; }
    // A count, or a negative failure.
    std::int64_t end(HANDLE handle, BOOL done) noexcept;

private:
    OVERLAPPED overlapped_{};
};
std::int64_t control(HANDLE handle, DWORD code, const void* in, std::size_t in_bytes, void* out,
                     std::size_t out_bytes) noexcept;
std::int64_t read(HANDLE handle, std::uint64_t offset, void* into, std::size_t size) noexcept;
std::int64_t write(HANDLE handle, std::uint64_t offset, const void* from, std::size_t size) noexcept;
std::uint64_t size_of(HANDLE handle) noexcept;
// Bytes that were never written take no room from now on, if the file system can.
void make_sparse(HANDLE handle) noexcept;

// ---- the calls of a request
std::int64_t open_path(detail::file_request& request);
std::int64_t status(detail::file_request& request);
std::int64_t rename(detail::file_request& request);
std::int64_t remove(detail::file_request& request, bool folder);
std::int64_t make_directory(detail::file_request& request);
std::int64_t list(detail::file_request& request) noexcept;

}  // namespace co_wq::io::nt
