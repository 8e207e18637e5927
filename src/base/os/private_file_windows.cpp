// clang-format off: it must come first
#include <windows.h>
// clang-format on
#include <aclapi.h>

#include <filesystem>

#include "base/os/private_file.hpp"

namespace co_wq::os {
namespace {

constexpr DWORD reads_or_replaces = FILE_READ_DATA | FILE_WRITE_DATA | FILE_APPEND_DATA | WRITE_DAC | WRITE_OWNER |
                                    GENERIC_READ | GENERIC_WRITE | GENERIC_ALL;

bool is_anybody(PSID who) noexcept {
    for (const WELL_KNOWN_SID_TYPE one : {WinWorldSid, WinBuiltinUsersSid, WinAuthenticatedUserSid, WinInteractiveSid,
                                          WinBuiltinGuestsSid, WinAnonymousSid})
        if (::IsWellKnownSid(who, one)) return true;
    return false;
}

// A refusal that stands before it may take it back; that is not looked at: such a file is called exposed.
bool gives_to_anybody(ACL* rights) noexcept {
    for (DWORD i = 0; i < rights->AceCount; ++i) {
        void* entry = nullptr;
        if (!::GetAce(rights, i, &entry)) return true;
        const auto& header = *static_cast<const ACE_HEADER*>(entry);
        if (header.AceType != ACCESS_ALLOWED_ACE_TYPE || (header.AceFlags & INHERIT_ONLY_ACE) != 0) continue;
        auto& allowed = *static_cast<ACCESS_ALLOWED_ACE*>(entry);
        if ((allowed.Mask & reads_or_replaces) != 0 && is_anybody(&allowed.SidStart)) return true;
    }
    return false;
}

}  // namespace

bool is_exposed(const std::string& path) {
    // as std::ifstream opens it
    std::wstring name = std::filesystem::path(path).wstring();
    ACL* rights = nullptr;
    PSECURITY_DESCRIPTOR whole = nullptr;
    if (::GetNamedSecurityInfoW(name.data(), SE_FILE_OBJECT, DACL_SECURITY_INFORMATION, nullptr, nullptr, &rights,
                                nullptr, &whole) != ERROR_SUCCESS)
        return false;
    const bool exposed = !rights || gives_to_anybody(rights);
    ::LocalFree(whole);
    return exposed;
}

}  // namespace co_wq::os
