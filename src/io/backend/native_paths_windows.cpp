// Calls on paths.
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <vector>

#include "io/backend/nt_files.hpp"
#include "io/backend/windows_error.hpp"

namespace co_wq::io::nt {
namespace {

using detail::file_request;

// Classes and flags of Windows 10 and later, which older headers do not name.
constexpr int disposition_ex = 64, rename_ex = 65;
constexpr ULONG disposition_delete = 1, disposition_posix = 2, disposition_read_only_too = 16;
constexpr ULONG rename_replace = 1, rename_posix = 2, rename_read_only_too = 0x40;

struct rename_information {
    ULONG flags;  // its first byte is the older form's ReplaceIfExists
    HANDLE folder;
    ULONG name_bytes;
    wchar_t name[1];
};
static_assert(sizeof(rename_information) == sizeof(FILE_RENAME_INFORMATION));

// The file system, or the system, is older than the call.
bool too_new(NTSTATUS status) noexcept {
    return status == STATUS_INVALID_PARAMETER || status == STATUS_INVALID_INFO_CLASS ||
           status == STATUS_NOT_SUPPORTED || status == STATUS_NOT_IMPLEMENTED ||
           status == STATUS_INVALID_DEVICE_REQUEST;
}

how_to_open asked_of(const file_request& request) noexcept {
    const open_options& asked = request.opening;
    const bool reads = asked.access != file_access::write, writes = asked.access != file_access::read;
    how_to_open how;
    if (request.folder) {  // its entries are read by calls that wait by themselves
        how.access = FILE_LIST_DIRECTORY;
        how.options = FILE_DIRECTORY_FILE | FILE_SYNCHRONOUS_IO_NONALERT;
    } else {
        if (reads) how.access |= FILE_GENERIC_READ;
        // to append is a right that goes badly with direct access, and that nobody here needs
        if (writes) how.access |= FILE_GENERIC_WRITE & ~static_cast<ACCESS_MASK>(FILE_APPEND_DATA);
        if (writes || asked.creation != file_creation::never) how.options |= FILE_NON_DIRECTORY_FILE;
        if (asked.direct) how.options |= FILE_NO_INTERMEDIATE_BUFFERING;
    }
    if (asked.creation == file_creation::if_missing) how.disposition = FILE_OPEN_IF;
    if (asked.creation == file_creation::must) how.disposition = FILE_CREATE;
    if (asked.no_follow || asked.creation == file_creation::must) how.options |= FILE_OPEN_REPARSE_POINT;
    if (asked.creation != file_creation::never && (request.mode & 0222) == 0) how.attributes = FILE_ATTRIBUTE_READONLY;
    return how;
}

bool same_file(HANDLE one, HANDLE other) noexcept {
    BY_HANDLE_FILE_INFORMATION first{}, second{};
    return ::GetFileInformationByHandle(one, &first) && ::GetFileInformationByHandle(other, &second) &&
           first.dwVolumeSerialNumber == second.dwVolumeSerialNumber && first.nFileIndexHigh == second.nFileIndexHigh &&
           first.nFileIndexLow == second.nFileIndexLow;
}

// What was opened without following is no link. A reparse point of another kind is opened again, so that what is
// stored elsewhere is seen.
std::int32_t refuse_link(owned_handle& file, const place& at, how_to_open how, bool folder) {
    nature what;
    if (!nature_of(file.get(), what)) return 0;  // no file of a file system
    if (what.link()) return folder ? -ENOTDIR : -ELOOP;
    if (!what.reparse()) return 0;
    how.options &= ~static_cast<ULONG>(FILE_OPEN_REPARSE_POINT);
    how.disposition = FILE_OPEN;
    owned_handle again;
    const NTSTATUS status = open(again, at, how);
    if (!NT_SUCCESS(status)) return failure_of(status, at);
    if (!same_file(file.get(), again.get())) return -ELOOP;  // a link came in between
    file = std::move(again);
    return 0;
}

std::int32_t set_disposition(HANDLE file, const nature& what) noexcept {
    ULONG flags = disposition_delete | disposition_posix | disposition_read_only_too;
    NTSTATUS status = set(file, flags, disposition_ex);
    if (!too_new(status)) return NT_SUCCESS(status) ? 0 : failure_of(status);
    const bool read_only = (what.attributes & FILE_ATTRIBUTE_READONLY) != 0;
    FILE_BASIC_INFORMATION basic{};
    basic.FileAttributes = (what.attributes & ~static_cast<DWORD>(FILE_ATTRIBUTE_READONLY)) | FILE_ATTRIBUTE_NORMAL;
    if (read_only) (void)set(file, basic, FileBasicInformation);
    FILE_DISPOSITION_INFORMATION dispose{};
    dispose.DoDeleteFile = TRUE;
    status = set(file, dispose, FileDispositionInformation);
    if (NT_SUCCESS(status)) return 0;
    basic.FileAttributes = what.attributes;
    if (read_only) (void)set(file, basic, FileBasicInformation);
    return failure_of(status);
}

// Why a file does not go where a folder is, or the other way round: the system says no more than that it is refused,
// or replaces a file by a folder. 0: that is not why.
std::int32_t misfit(HANDLE source, const place& to) {
    owned_handle target;
    nature mine, its;
    if (!nature_of(source, mine)) return 0;
    if (!NT_SUCCESS(open(target, to, {.access = 0, .options = FILE_OPEN_REPARSE_POINT}))) return 0;
    if (!nature_of(target.get(), its)) return 0;
    const bool folder = mine.directory() && !mine.link(), onto_folder = its.directory() && !its.link();
    if (folder == onto_folder) return 0;
    return onto_folder ? -EISDIR : -ENOTDIR;
}

}  // namespace

std::int64_t open_path(file_request& request) {
    const place at = place_of(request.handle, request.path(0));
    if (at.failure < 0) return at.failure;
    const how_to_open how = asked_of(request);
    owned_handle file;
    bool made = false;
    const NTSTATUS status = open(file, at, how, &made);
    // what is removed and still open somewhere is in the way of what is to be made
    if (status == STATUS_DELETE_PENDING && how.disposition != FILE_OPEN) return io::failure_of(ERROR_ACCESS_DENIED);
    if (!NT_SUCCESS(status)) return failure_of(status, at);
    if (request.opening.no_follow && !made) {
        if (const std::int32_t refused = refuse_link(file, at, how, request.folder)) return refused;
    }
    if (request.opening.truncate && !made && ::GetFileType(file.get()) == FILE_TYPE_DISK) {
        FILE_END_OF_FILE_INFORMATION end{};
        const NTSTATUS cut = set(file.get(), end, FileEndOfFileInformation);
        if (!NT_SUCCESS(cut)) return failure_of(cut);
    }
    return kept(file.let_go());
}

std::int64_t rename(file_request& request) {
    const place from = place_of(request.handle, request.path(0)), to = place_of(request.handle, request.path(1));
    if (from.failure < 0) return from.failure;
    if (to.failure < 0) return to.failure;
    owned_handle file;
    const how_to_open how{.access = DELETE, .options = FILE_OPEN_REPARSE_POINT | FILE_SYNCHRONOUS_IO_NONALERT};
    NTSTATUS status = open(file, from, how);
    if (!NT_SUCCESS(status)) return failure_of(status, from);
    nature what;
    const bool folder = nature_of(file.get(), what) && what.directory();
    if (folder && !request.flag) {
        if (const std::int32_t refused = misfit(file.get(), to)) return refused;
    }
    const std::size_t text = to.name.size() * sizeof(wchar_t);
    const std::size_t bytes = sizeof(rename_information) + text;
    std::vector<std::uint64_t> room(bytes / sizeof(std::uint64_t) + 1);
    auto& asked = *reinterpret_cast<rename_information*>(room.data());
    asked.flags = rename_posix | rename_read_only_too | (request.flag ? 0 : rename_replace);
    asked.folder = to.folder;
    asked.name_bytes = static_cast<ULONG>(text);
    std::memcpy(asked.name, to.name.data(), text);
    status = set(file.get(), asked, rename_ex, bytes);
    if (too_new(status)) {
        asked.flags = request.flag ? 0 : TRUE;
        status = set(file.get(), asked, FileRenameInformation, bytes);
    }
    if (NT_SUCCESS(status)) return 0;
    if (status == STATUS_ACCESS_DENIED && !request.flag) {
        if (const std::int32_t refused = misfit(file.get(), to)) return refused;
    }
    return failure_of(status, to);
}

std::int64_t remove(file_request& request, bool folder) {
    const place at = place_of(request.handle, request.path(0));
    if (at.failure < 0) return at.failure;
    owned_handle file;
    how_to_open how{.access = DELETE | FILE_WRITE_ATTRIBUTES,
                    .options = FILE_OPEN_REPARSE_POINT | FILE_SYNCHRONOUS_IO_NONALERT};
    NTSTATUS status = open(file, at, how);
    if (status == STATUS_ACCESS_DENIED) {
        how.access = DELETE;
        status = open(file, at, how);
    }
    if (!NT_SUCCESS(status)) return failure_of(status, at);
    nature what;
    if (!nature_of(file.get(), what)) return last_call_failed();
    const bool is_folder = what.directory() && !what.link();
    if (folder && !is_folder) return -ENOTDIR;
    if (!folder && is_folder) return -EISDIR;
    return set_disposition(file.get(), what);
}

std::int64_t make_directory(file_request& request) {
    const place at = place_of(request.handle, request.path(0));
    if (at.failure < 0) return at.failure;
    owned_handle folder;
    const NTSTATUS status = open(folder, at,
                                 {.access = FILE_LIST_DIRECTORY,
                                  .disposition = FILE_CREATE,
                                  .options = FILE_DIRECTORY_FILE | FILE_SYNCHRONOUS_IO_NONALERT});
    if (status == STATUS_DELETE_PENDING) return io::failure_of(ERROR_ACCESS_DENIED);
    return NT_SUCCESS(status) ? 0 : failure_of(status, at);
}

}  // namespace co_wq::io::nt
