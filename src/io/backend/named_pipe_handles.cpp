#include "io/backend/named_pipe_handles.hpp"

#include <sddl.h>

#include <optional>
#include <vector>

#include "base/os/windows.hpp"
#include "base/os/windows_rights.hpp"

namespace co_wq::io::pipes {
namespace {

constexpr std::wstring_view prefix = L"\\\\.\\pipe\\";
constexpr std::size_t name_max = 256;  // of all of it, in UTF-16

constexpr DWORD kernel_buffer_bytes = 64 * 1024;
// What a client that is no server needs: bytes in both directions, and to say how it reads. Without the right to make
// instances, which GENERIC_WRITE has in it.
constexpr DWORD client_rights = GENERIC_READ | FILE_WRITE_DATA | FILE_WRITE_ATTRIBUTES;

HANDLE to_handle(native_handle kept) noexcept { return reinterpret_cast<HANDLE>(static_cast<std::intptr_t>(kept)); }
native_handle kept(HANDLE handle) noexcept {
    return static_cast<native_handle>(reinterpret_cast<std::intptr_t>(handle));
}

std::unexpected<error> last_failure() noexcept { return std::unexpected(os::last_error()); }

wchar_t lower(wchar_t one) noexcept { return one >= L'A' && one <= L'Z' ? static_cast<wchar_t>(one | 0x20) : one; }

result<std::wstring> own_user() {
    HANDLE token = nullptr;
    if (!::OpenProcessToken(::GetCurrentProcess(), TOKEN_QUERY, &token)) return last_failure();
    alignas(TOKEN_USER) std::byte memory[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
    DWORD size = 0;
    const BOOL told = ::GetTokenInformation(token, TokenUser, memory, sizeof memory, &size);
    const DWORD why = ::GetLastError();
    ::CloseHandle(token);
    if (!told) return std::unexpected(os::from_windows(why));
    wchar_t* text = nullptr;
    if (!::ConvertSidToStringSidW(reinterpret_cast<const TOKEN_USER*>(memory)->User.Sid, &text)) return last_failure();
    const std::unique_ptr<wchar_t, local_freed> owned(text);
    return std::wstring(text);
}

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

result<descriptor_of_rights> rights_from(const std::string& text) {
    std::optional<std::wstring> wide = os::to_wide(text);
    if (!wide) return fail(errc::invalid_argument);
    if (text.empty()) {
        const result<std::wstring> user = own_user();
        if (!user) return std::unexpected(user.error());
        const std::wstring label = os::own_label();
        if (label.empty()) return last_failure();
        wide = L"D:P(A;;GA;;;" + *user + L")(A;;GA;;;BA)(A;;GA;;;SY)" + label;
    }
    void* made = nullptr;
    if (!::ConvertStringSecurityDescriptorToSecurityDescriptorW(wide->c_str(), SDDL_REVISION_1, &made, nullptr)) {
        if (text.empty()) return last_failure();
        return fail(errc::invalid_argument);
    }
    return descriptor_of_rights(made);
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

void close(native_handle pipe) noexcept { ::CloseHandle(to_handle(pipe)); }

nature nature_of(native_handle pipe) noexcept {
    DWORD flags = 0;
    if (!::GetNamedPipeInfo(to_handle(pipe), &flags, nullptr, nullptr, nullptr)) return {};
    return {(flags & PIPE_TYPE_MESSAGE) != 0, (flags & PIPE_SERVER_END) != 0};
}

result<std::uint32_t> peer_process(native_handle pipe, bool server) noexcept {
    ULONG found = 0;
    const auto ask = server ? &::GetNamedPipeClientProcessId : &::GetNamedPipeServerProcessId;
    if (!ask(to_handle(pipe), &found)) return last_failure();
    return static_cast<std::uint32_t>(found);
}

}  // namespace co_wq::io::pipes
