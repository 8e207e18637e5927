// Who may read a file, as chmod(1) says it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

#ifdef _WIN32
#include <windows.h>
// these need it before them
#include <aclapi.h>

#include <vector>
// words of 16-bit compilers
#undef near
#undef far
#endif

namespace co_wq::test {

#ifdef _WIN32

// The owner may do everything; with a right for others in the mode, everyone may read.
inline bool set_mode(const std::string& path, unsigned mode) {
    HANDLE token = nullptr;
    if (!::OpenProcessToken(::GetCurrentProcess(), TOKEN_QUERY, &token)) return false;
    std::vector<std::max_align_t> user(64), everyone(64);
    DWORD bytes = static_cast<DWORD>(user.size() * sizeof(std::max_align_t));
    const bool known = ::GetTokenInformation(token, TokenUser, user.data(), bytes, &bytes);
    ::CloseHandle(token);
    DWORD room = static_cast<DWORD>(everyone.size() * sizeof(std::max_align_t));
    if (!known || !::CreateWellKnownSid(WinWorldSid, nullptr, everyone.data(), &room)) return false;
    EXPLICIT_ACCESS_W rights[2] = {};
    void* const who[2] = {reinterpret_cast<TOKEN_USER*>(user.data())->User.Sid, everyone.data()};
    for (int i = 0; i < 2; ++i) {
        rights[i].grfAccessPermissions = i == 0 ? FILE_ALL_ACCESS : FILE_GENERIC_READ;
        rights[i].grfAccessMode = SET_ACCESS;
        rights[i].Trustee.TrusteeForm = TRUSTEE_IS_SID;
        rights[i].Trustee.ptstrName = static_cast<LPWSTR>(who[i]);
    }
    ACL* list = nullptr;
    if (::SetEntriesInAclW((mode & 07) != 0 ? 2 : 1, rights, nullptr, &list) != ERROR_SUCCESS) return false;
    std::wstring name = std::filesystem::path(path).wstring();
    constexpr DWORD what = DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION;
    const DWORD status = ::SetNamedSecurityInfoW(name.data(), SE_FILE_OBJECT, what, nullptr, nullptr, list, nullptr);
    ::LocalFree(list);
    return status == ERROR_SUCCESS;
}

#else

inline bool set_mode(const std::string& path, unsigned mode) {
    std::error_code problem;
    std::filesystem::permissions(path, std::filesystem::perms(mode), problem);
    return !problem;
}

#endif

}  // namespace co_wq::test
