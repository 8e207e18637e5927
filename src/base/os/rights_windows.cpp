// clang-format off: it must come first
#include <windows.h>
// clang-format on
#include <sddl.h>

#include <cstddef>
#include <string>

#include "base/os/windows_rights.hpp"

namespace co_wq::os {

std::wstring own_label() {
    HANDLE token = nullptr;
    if (!::OpenProcessToken(::GetCurrentProcess(), TOKEN_QUERY, &token)) return {};
    alignas(TOKEN_MANDATORY_LABEL) std::byte place[sizeof(TOKEN_MANDATORY_LABEL) + SECURITY_MAX_SID_SIZE];
    DWORD size = 0;
    const BOOL told = ::GetTokenInformation(token, TokenIntegrityLevel, place, sizeof place, &size);
    const DWORD code = ::GetLastError();
    ::CloseHandle(token);
    ::SetLastError(code);
    if (!told) return {};
    const PSID level = reinterpret_cast<TOKEN_MANDATORY_LABEL*>(place)->Label.Sid;
    const DWORD own = *::GetSidSubAuthority(level, *::GetSidSubAuthorityCount(level) - 1u);
    constexpr DWORD of_administrators = SECURITY_MANDATORY_HIGH_RID;
    return L"S:(ML;;NW;;;S-1-16-" + std::to_wstring(own < of_administrators ? own : of_administrators) + L")";
}

}  // namespace co_wq::os
