#include "io/backend/named_pipe_handles.hpp"

#include <optional>

#include "base/os/windows.hpp"
#include "io/backend/handle_windows.hpp"

namespace co_wq::io::pipes {
namespace {

constexpr std::wstring_view prefix = L"\\\\.\\pipe\\";
constexpr std::size_t name_max = 256;  // of all of it, in UTF-16

constexpr DWORD kernel_buffer_bytes = 64 * 1024;
// What a client that is no server needs: bytes in both directions, and to say how it reads. Without the right to make
// instances, which GENERIC_WRITE has in it.
constexpr DWORD client_rights = GENERIC_READ | FILE_WRITE_DATA | FILE_WRITE_ATTRIBUTES;

using nt::handle_of;
using nt::kept;

std::unexpected<error> last_failure() noexcept { return std::unexpected(os::last_error()); }

wchar_t lower(wchar_t one) noexcept { return one >= L'A' && one <= L'Z' ? static_cast<wchar_t>(one | 0x20) : one; }

}  // namespace

result<std::wstring> wide_name(std::string_view name) {
    std::optional<std::wstring> wide = os::to_wide(name);
    if (!wide || wide->size() <= prefix.size()) return fail(errc::invalid_argument);
    if (wide->size() > name_max) return fail(errc::name_too_long);
    for (std::size_t i = 0; i < prefix.size(); ++i)
        if (lower((*wide)[i]) != prefix[i]) return fail(errc::invalid_argument);
    const std::wstring_view rest = std::wstring_view(*wide).substr(prefix.size());
    // a slash is another one to Win32, and what stands at the end falls away
    const bool bad = rest.find_first_of(L"\\/") != rest.npos || rest.back() == L'.' || rest.back() == L' ';
    if (bad) return fail(errc::invalid_argument);
    return std::move(*wide);
}

result<os::descriptor_of_rights> rights_from(const std::string& text) {
    const std::optional<std::wstring> wide = text.empty() ? os::rights_of_own_user(L"GA") : os::to_wide(text);
    os::descriptor_of_rights made = wide ? os::descriptor_from(*wide) : nullptr;
    if (made) return made;
    if (text.empty()) return last_failure();
    return fail(errc::invalid_argument);
}

result<native_handle> make_instance(const std::wstring& name, void* rights, bool first) noexcept {
    SECURITY_ATTRIBUTES how{sizeof how, rights, FALSE};
    const DWORD open = PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | (first ? FILE_FLAG_FIRST_PIPE_INSTANCE : 0);
    constexpr DWORD mode = PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS;
    const HANDLE made = ::CreateNamedPipeW(name.c_str(), open, mode, PIPE_UNLIMITED_INSTANCES, kernel_buffer_bytes,
                                           kernel_buffer_bytes, 0, &how);
    if (made != INVALID_HANDLE_VALUE) return kept(made);
    const DWORD why = ::GetLastError();
    if (first && (why == ERROR_ACCESS_DENIED || why == ERROR_PIPE_BUSY)) return fail(errc::address_in_use);
    return std::unexpected(os::from_windows(why));
}

result<native_handle> open_client(const std::wstring& name) noexcept {
    constexpr DWORD how = FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION;
    const HANDLE made = ::CreateFileW(name.c_str(), client_rights, 0, nullptr, OPEN_EXISTING, how, nullptr);
    if (made == INVALID_HANDLE_VALUE) return last_failure();
    DWORD mode = PIPE_READMODE_MESSAGE | PIPE_WAIT;
    if (!nature_of(kept(made)).messages || ::SetNamedPipeHandleState(made, &mode, nullptr, nullptr)) return kept(made);
    const DWORD why = ::GetLastError();
    ::CloseHandle(made);
    return std::unexpected(os::from_windows(why));
}

void close(native_handle pipe) noexcept { ::CloseHandle(handle_of(pipe)); }

nature nature_of(native_handle pipe) noexcept {
    DWORD flags = 0;
    if (!::GetNamedPipeInfo(handle_of(pipe), &flags, nullptr, nullptr, nullptr)) return {};
    return {(flags & PIPE_TYPE_MESSAGE) != 0, (flags & PIPE_SERVER_END) != 0};
}

result<std::uint32_t> peer_process(native_handle pipe, bool server) noexcept {
    ULONG found = 0;
    const auto ask = server ? &::GetNamedPipeClientProcessId : &::GetNamedPipeServerProcessId;
    if (!ask(handle_of(pipe), &found)) return last_failure();
    return static_cast<std::uint32_t>(found);
}

}  // namespace co_wq::io::pipes
