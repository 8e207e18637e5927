// What paths mean.
#include <algorithm>
#include <cerrno>
#include <optional>
#include <string_view>
#include <vector>

#include "base/os/windows.hpp"
#include "io/backend/native_files.hpp"
#include "io/backend/nt_files.hpp"
#include "io/backend/windows_error.hpp"

namespace co_wq::io {
namespace nt {
namespace {

constexpr std::wstring_view whole_prefix = L"\\??\\";  // where drives are, in the names of the system
constexpr std::wstring_view share_prefix = L"\\??\\UNC\\";
constexpr std::size_t part_max = 255;
constexpr std::size_t name_max = 32'000;  // a UNICODE_STRING has 65,534 bytes

bool is_slash(wchar_t one) noexcept { return one == L'/' || one == L'\\'; }

bool has_drive(std::wstring_view path) noexcept {
    if (path.size() < 2 || path[1] != L':') return false;
    const wchar_t letter = path[0] | 0x20;
    return letter >= L'a' && letter <= L'z';
}

// The last `\` that may be cut away lies at this place or behind it.
std::size_t root_end(const std::wstring& whole) noexcept {
    const bool share = whole.starts_with(share_prefix);
    std::size_t end = share ? share_prefix.size() : whole_prefix.size();
    if (share) end = whole.find(L'\\', end) == whole.npos ? whole.size() : whole.find(L'\\', end) + 1;
    const std::size_t slash = whole.find(L'\\', end);
    return slash == whole.npos ? whole.size() : slash;
}

// From what Win32 calls it. Empty: it is nothing that can be opened.
std::wstring named_by_system(std::wstring_view full) {
    if (full.starts_with(L"\\\\?\\") || full.starts_with(L"\\\\.\\"))
        return std::wstring(whole_prefix) + std::wstring(full.substr(4));
    if (full.starts_with(L"\\\\")) return std::wstring(share_prefix) + std::wstring(full.substr(2));
    return std::wstring(whole_prefix) + std::wstring(full);
}

std::wstring absolute(const std::wstring& path) {
    if (path.starts_with(L"\\\\?\\")) return named_by_system(path);  // as it stands
    std::wstring full(300, L'\0');
    for (;;) {
        const DWORD got = ::GetFullPathNameW(path.c_str(), static_cast<DWORD>(full.size()), full.data(), nullptr);
        const bool fits = got < full.size();
        full.resize(got);
        if (fits) break;  // also 0: it cannot be had
    }
    if (full.empty()) return {};
    std::wstring whole = named_by_system(full);
    if (whole.ends_with(L'\\') && whole.size() - 1 > root_end(whole)) whole.pop_back();
    return whole;
}

std::wstring path_of(HANDLE folder) {
    std::wstring full(300, L'\0');
    for (;;) {
        const DWORD got = ::GetFinalPathNameByHandleW(folder, full.data(), static_cast<DWORD>(full.size()), 0);
        const bool fits = got < full.size();
        full.resize(got);
        if (fits) return full.empty() ? full : named_by_system(full);
    }
}

bool part_too_long(std::wstring_view name) noexcept {
    std::size_t part = 0;
    for (const wchar_t one : name) {
        part = one == L'\\' ? 0 : part + 1;
        if (part > part_max) return true;
    }
    return name.size() > name_max;
}

place checked(place at) {
    if (at.failure == 0 && !at.folder && at.name.empty()) at.failure = -ENOENT;
    if (at.failure == 0 && part_too_long(at.name)) at.failure = -ENAMETOOLONG;
    return at;
}

place below(HANDLE folder, std::wstring_view path) {
    std::vector<std::wstring_view> parts;
    std::size_t up = 0;  // levels above the folder
    while (!path.empty()) {
        std::size_t end = 0;
        while (end < path.size() && !is_slash(path[end])) ++end;
        const std::wstring_view part = path.substr(0, end);
        path.remove_prefix(std::min(end + 1, path.size()));
        if (part.empty() || part == L".") continue;
        if (part != L"..") {
            parts.push_back(part);
        } else if (parts.empty()) {
            ++up;
        } else {
            parts.pop_back();
        }
    }
    place at;
    if (up == 0) {
        at.folder = folder;
    } else {
        at.name = path_of(folder);
        if (at.name.empty()) at.failure = last_call_failed();
        const std::size_t root = root_end(at.name);
        for (; up > 0; --up) {
            const std::size_t slash = at.name.rfind(L'\\');
            at.name.resize(slash != at.name.npos && slash > root ? slash : std::min(root + 1, at.name.size()));
        }
    }
    for (const std::wstring_view part : parts) {
        if (!at.name.empty() && !at.name.ends_with(L'\\')) at.name += L'\\';
        at.name += part;
    }
    return at;
}

OBJECT_ATTRIBUTES object_of(const place& at, UNICODE_STRING& text) noexcept {
    text.Buffer = const_cast<wchar_t*>(at.name.data());
    text.Length = text.MaximumLength = static_cast<USHORT>(at.name.size() * sizeof(wchar_t));
    OBJECT_ATTRIBUTES object{};
    InitializeObjectAttributes(&object, &text, OBJ_CASE_INSENSITIVE, at.folder, nullptr);
    return object;
}

// The nearest thing above the place that is there is no folder.
bool below_a_file(place at) {
    const std::size_t root = at.folder ? 0 : root_end(at.name);
    for (;;) {
        const std::size_t slash = at.name.rfind(L'\\');
        if (slash == at.name.npos || slash <= root) return false;
        at.name.resize(slash);
        owned_handle found;
        nature what;
        if (NT_SUCCESS(open(found, at, {}))) return nature_of(found.get(), what) && !what.directory();
    }
}

}  // namespace

place place_of(native_handle folder, const char* path) {
    std::optional<std::wstring> wide = os::to_wide(path);
    if (!wide) return {.folder = nullptr, .name = {}, .failure = -EINVAL};  // no UTF-8
    const bool whole = folder == no_handle || has_drive(*wide) || (!wide->empty() && is_slash(wide->front()));
    if (!whole) return checked(below(handle_of(folder), *wide));
    return checked({.folder = nullptr, .name = absolute(*wide), .failure = 0});
}

NTSTATUS open(owned_handle& into, const place& at, const how_to_open& how, bool* made) noexcept {
    UNICODE_STRING text{};
    OBJECT_ATTRIBUTES object = object_of(at, text);
    // who has a pipe at that name may ask who we are, and not act for us
    SECURITY_QUALITY_OF_SERVICE trust{sizeof trust, SecurityIdentification, SECURITY_STATIC_TRACKING, FALSE};
    object.SecurityQualityOfService = &trust;
    IO_STATUS_BLOCK done{};
    HANDLE handle = nullptr;
    const NTSTATUS status = ::NtCreateFile(
        &handle, how.access | SYNCHRONIZE | FILE_READ_ATTRIBUTES, &object, &done, nullptr, how.attributes,
        FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, how.disposition, how.options, nullptr, 0);
    const bool opened = NT_SUCCESS(status);
    into = owned_handle(opened ? handle : nullptr);
    if (made) *made = opened && done.Information == FILE_CREATED;
    return status;
}

std::int32_t failure_of(NTSTATUS status) noexcept {
    switch (static_cast<ULONG>(status)) {
        case static_cast<ULONG>(STATUS_FILE_IS_A_DIRECTORY): return -EISDIR;
        case static_cast<ULONG>(STATUS_NOT_A_DIRECTORY): return -ENOTDIR;
        case static_cast<ULONG>(STATUS_DELETE_PENDING): return -ENOENT;  // removed, and still open somewhere
        case static_cast<ULONG>(STATUS_CANCELLED): return -ECANCELED;
        default: return io::failure_of(::RtlNtStatusToDosError(status));
    }
}

std::int32_t failure_of(NTSTATUS status, const place& at) {
    if (status == STATUS_OBJECT_PATH_NOT_FOUND && below_a_file(at)) return -ENOTDIR;
    return failure_of(status);
}

std::int32_t last_call_failed() noexcept {
    const DWORD code = ::GetLastError();
    return code == ERROR_OPERATION_ABORTED ? -ECANCELED : io::failure_of(code);
}

}  // namespace nt

std::size_t last_name_at(std::string_view path) noexcept {
    const std::size_t found = path.find_last_of("/\\");
    if (found != path.npos) return found + 1;
    return path.size() >= 2 && path[1] == ':' ? 2 : 0;
}

}  // namespace co_wq::io
