// What the system says of files, and of the entries of folders.
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <type_traits>

#include "base/os/windows.hpp"
#include "io/backend/native_files.hpp"
#include "io/backend/nt_files.hpp"

extern "C" NTSTATUS NTAPI NtQueryDirectoryFile(HANDLE, HANDLE, PIO_APC_ROUTINE, PVOID, PIO_STATUS_BLOCK, PVOID, ULONG,
                                               FILE_INFORMATION_CLASS, BOOLEAN, PUNICODE_STRING, BOOLEAN);

namespace co_wq::io {

using detail::file_request;

namespace nt {
namespace {

constexpr DWORD tag_of_local_socket = 0x80000023;  // IO_REPARSE_TAG_AF_UNIX

// Since 1601, in steps of 100 ns.
file_time time_of(LARGE_INTEGER stamp) noexcept {
    constexpr std::int64_t steps = 10'000'000, seconds_to_1970 = 11'644'473'600;
    if (stamp.QuadPart <= 0) return {};
    return {stamp.QuadPart / steps - seconds_to_1970, static_cast<std::uint32_t>(stamp.QuadPart % steps * 100)};
}

template <class Information>
bool query(HANDLE file, FILE_INFO_BY_HANDLE_CLASS number, Information& into) noexcept {
    return ::GetFileInformationByHandleEx(file, number, &into, sizeof into);
}

std::uint32_t mode_of(file_type type, DWORD attributes) noexcept {
    if (type == file_type::directory) return 0777;  // the attribute means nothing for folders
    return (attributes & FILE_ATTRIBUTE_READONLY) != 0 ? 0444 : 0666;
}

std::int64_t status_of_file(HANDLE file, file_status& to) noexcept {
    const DWORD kind = ::GetFileType(file);
    if (kind == FILE_TYPE_CHAR || kind == FILE_TYPE_PIPE) {
        to.type = kind == FILE_TYPE_PIPE ? file_type::fifo : file_type::character_device;
        to.mode = 0666;
        to.links = 1;
        return 0;
    }
    BY_HANDLE_FILE_INFORMATION all{};
    FILE_BASIC_INFO basic{};
    FILE_STANDARD_INFO standard{};
    nature what;
    if (!::GetFileInformationByHandle(file, &all) || !query(file, FileBasicInfo, basic) ||
        !query(file, FileStandardInfo, standard) || !nature_of(file, what))
        return last_call_failed();
    to.type = type_of(what);
    to.mode = mode_of(to.type, what.attributes);
    to.size_bytes = static_cast<std::uint64_t>(standard.EndOfFile.QuadPart);
    to.stored_bytes = static_cast<std::uint64_t>(standard.AllocationSize.QuadPart);
    FILE_COMPRESSION_INFO stored{};
    constexpr DWORD thin = FILE_ATTRIBUTE_SPARSE_FILE | FILE_ATTRIBUTE_COMPRESSED;
    if ((what.attributes & thin) != 0 && query(file, FileCompressionInfo, stored))
        to.stored_bytes = static_cast<std::uint64_t>(stored.CompressedFileSize.QuadPart);
    to.device = all.dwVolumeSerialNumber;
    to.inode = std::uint64_t{all.nFileIndexHigh} << 32 | all.nFileIndexLow;
    to.links = standard.NumberOfLinks;
    to.modified = time_of(basic.LastWriteTime);
    to.changed = time_of(basic.ChangeTime);
    to.born = time_of(basic.CreationTime);
    FILE_STORAGE_INFO storage{};
    if (query(file, FileStorageInfo, storage))
        to.direct_memory_alignment = to.direct_offset_alignment = storage.LogicalBytesPerSector;
    return 0;
}

}  // namespace

bool nature_of(HANDLE handle, nature& out) noexcept {
    FILE_ATTRIBUTE_TAG_INFO found{};
    FILE_BASIC_INFO basic{};
    if (query(handle, FileAttributeTagInfo, found)) {
        out = {found.FileAttributes, found.ReparseTag};
    } else if (query(handle, FileBasicInfo, basic)) {  // a file system without such points
        out = {basic.FileAttributes, 0};
    } else {
        return false;
    }
    return true;
}

file_type type_of(const nature& what) noexcept {
    if (what.link()) return file_type::symbolic_link;
    if (what.reparse() && what.tag == tag_of_local_socket) return file_type::socket;
    return what.directory() ? file_type::directory : file_type::regular;
}

std::int64_t status(file_request& request) {
    file_status found;
    std::int64_t got = 0;
    if (*request.path(0) == 0) {
        got = status_of_file(handle_of(request.handle), found);
    } else {
        const place at = place_of(request.handle, request.path(0));
        if (at.failure < 0) return at.failure;
        owned_handle file;
        NTSTATUS how = open(file, at, {.options = request.flag ? ULONG{FILE_OPEN_REPARSE_POINT} : 0});
        if (how == STATUS_IO_REPARSE_TAG_NOT_HANDLED) how = open(file, at, {.options = FILE_OPEN_REPARSE_POINT});
        if (!NT_SUCCESS(how)) return failure_of(how, at);
        got = status_of_file(file.get(), found);
    }
    if (got == 0) put_status(request, found);
    return got;
}

}  // namespace nt

namespace {

using packed_entry = FILE_ID_BOTH_DIR_INFORMATION;
constexpr std::size_t head_bytes = offsetof(packed_entry, FileName);

template <class Visit>
void for_each_entry(const std::byte* block, std::size_t size, Visit&& visit) {
    for (std::size_t at = 0; at + head_bytes <= size;) {
        const auto& entry = *reinterpret_cast<const packed_entry*>(block + at);
        const std::wstring_view name(entry.FileName, entry.FileNameLength / sizeof(wchar_t));
        if (name != L"." && name != L"..") visit(entry, name);
        if (entry.NextEntryOffset == 0) break;
        at += entry.NextEntryOffset;
    }
}

file_type type_of_entry(const packed_entry& entry) noexcept {
    // of a reparse point, the extended attributes' size is its tag
    const bool reparse = (entry.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0;
    return nt::type_of({.attributes = entry.FileAttributes, .tag = reparse ? entry.EaSize : 0});
}

}  // namespace

// A block with an entry in it, or the end. The handle remembers how far it is.
std::int64_t nt::list(file_request& request) noexcept {
    const bytes block = request.buffer.block();
    const HANDLE folder = handle_of(request.handle);
    for (;;) {
        IO_STATUS_BLOCK done{};
        done.Status = STATUS_PENDING;
        NTSTATUS status = ::NtQueryDirectoryFile(folder, nullptr, nullptr, nullptr, &done, block.data(),
                                                 static_cast<ULONG>(block.size()), FileIdBothDirectoryInformation,
                                                 FALSE, nullptr, FALSE);
        if (status == STATUS_PENDING) {  // it was opened as a file; it is read by one call at a time
            const volatile NTSTATUS& later = done.Status;
            while ((status = later) == STATUS_PENDING) ::WaitForSingleObject(folder, INFINITE);
        }
        if (status == STATUS_NO_MORE_FILES || status == STATUS_NO_SUCH_FILE) return 0;
        if (status == STATUS_INVALID_PARAMETER) return -ENOTDIR;
        if (!NT_SUCCESS(status)) return failure_of(status);
        bool found = false;
        for_each_entry(block.data(), done.Information, [&](const packed_entry&, std::wstring_view) { found = true; });
        if (found) return static_cast<std::int64_t>(done.Information);
    }
}

static_assert(sizeof(file_status) <= status_bytes && std::is_trivially_copyable_v<file_status>);

file_status status_of(const file_request& request) noexcept {
    file_status found;
    std::memcpy(&found, request.room(), sizeof found);
    return found;
}

void put_status(file_request& request, const file_status& status) noexcept {
    std::memcpy(request.room(), &status, sizeof status);
}

std::size_t pack_entry(bytes into, std::string_view name, file_type type, std::uint64_t inode) noexcept {
    wchar_t wide[256];  // a name of a simulated folder has 255 bytes at most
    const int units = name.empty() ? 0
                                   : ::MultiByteToWideChar(CP_UTF8, 0, name.data(), static_cast<int>(name.size()), wide,
                                                           static_cast<int>(std::size(wide)));
    const std::size_t text = static_cast<std::size_t>(units) * sizeof(wchar_t);
    const std::size_t size = (head_bytes + text + 7) / 8 * 8;
    if (size > into.size()) return 0;
    packed_entry head{};
    head.NextEntryOffset = static_cast<ULONG>(size);
    head.FileNameLength = static_cast<ULONG>(text);
    head.FileAttributes = type == file_type::directory ? FILE_ATTRIBUTE_DIRECTORY : FILE_ATTRIBUTE_NORMAL;
    head.FileId.QuadPart = static_cast<std::int64_t>(inode);
    std::memset(into.data(), 0, size);
    std::memcpy(into.data(), &head, head_bytes);
    std::memcpy(into.data() + head_bytes, wide, text);
    return size;
}

std::vector<directory_entry> entries_of(const file_request& request) {
    std::vector<directory_entry> all;
    for_each_entry(request.buffer.block().data(), request.done, [&](const packed_entry& entry, std::wstring_view name) {
        all.push_back({os::from_wide(name), type_of_entry(entry), static_cast<std::uint64_t>(entry.FileId.QuadPart)});
    });
    return all;
}

}  // namespace co_wq::io
