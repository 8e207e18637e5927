// clang-format off: it must come first
#include <windows.h>
// clang-format on
#include <sddl.h>

#include <algorithm>
#include <cstddef>
#include <string>

#include "base/os/windows_rights.hpp"

namespace co_wq::os {
namespace {

// What the token says of a T that names a SID.
template <class T>
class of_own_token {
public:
    explicit of_own_token(TOKEN_INFORMATION_CLASS what) noexcept {
        HANDLE token = nullptr;
        if (!::OpenProcessToken(::GetCurrentProcess(), TOKEN_QUERY, &token)) return;
        DWORD size = 0;
        told_ = ::GetTokenInformation(token, what, place_, sizeof place_, &size) != 0;
        const DWORD code = ::GetLastError();
        ::CloseHandle(token);
        ::SetLastError(code);
    }
    const T* get() const noexcept { return told_ ? reinterpret_cast<const T*>(place_) : nullptr; }

private:
    alignas(T) std::byte place_[sizeof(T) + SECURITY_MAX_SID_SIZE];
    bool told_ = false;
};

}  // namespace

std::wstring own_user() {
    const of_own_token<TOKEN_USER> token(TokenUser);
    wchar_t* text = nullptr;
    if (!token.get() || !::ConvertSidToStringSidW(token.get()->User.Sid, &text)) return {};
    const std::unique_ptr<wchar_t, local_freed> owned(text);
    return text;
}

std::wstring own_label() {
    const of_own_token<TOKEN_MANDATORY_LABEL> token(TokenIntegrityLevel);
    if (!token.get()) return {};
    const PSID level = token.get()->Label.Sid;
    const DWORD own = *::GetSidSubAuthority(level, *::GetSidSubAuthorityCount(level) - 1u);
    constexpr DWORD of_administrators = SECURITY_MANDATORY_HIGH_RID;
    return L"S:(ML;;NW;;;S-1-16-" + std::to_wstring(std::min(own, of_administrators)) + L")";
}

std::wstring rights_of_own_user(std::wstring_view rights) {
    const std::wstring user = own_user();
    if (user.empty()) return {};
    const std::wstring label = own_label();
    if (label.empty()) return {};
    std::wstring text = L"D:P";
    for (const std::wstring_view who : {std::wstring_view(user), std::wstring_view(L"SY"), std::wstring_view(L"BA")})
        text.append(L"(A;;").append(rights).append(L";;;").append(who).append(L")");
    return text + label;
}

void local_freed::operator()(void* memory) const noexcept { ::LocalFree(memory); }

descriptor_of_rights descriptor_from(const std::wstring& text) {
    void* made = nullptr;
    if (text.empty() ||
        !::ConvertStringSecurityDescriptorToSecurityDescriptorW(text.c_str(), SDDL_REVISION_1, &made, nullptr))
        return nullptr;
    return descriptor_of_rights(made);
}

}  // namespace co_wq::os
