// Who may use what programs make on Windows. Nothing of it is compiled elsewhere.
//
// For:     signals of other processes, named pipes. Threads: any.
// Errors:  empty, or null: GetLastError says why; then give nobody anything.
// Source:  "Mandatory Integrity Control", "Security Descriptor Definition Language", "SYSTEM_MANDATORY_LABEL_ACE".
//
//   const os::descriptor_of_rights who = os::descriptor_from(os::rights_of_own_user(L"GA"));
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace co_wq::os {

// The SID of this process's user, as text.
std::wstring own_user();
// The mandatory label of what other processes of the same user, administrators and the system may write to, in SDDL:
// no process of a lower integrity level than this one may. At most the level of administrators, "high": services have a
// higher one, "system".
std::wstring own_label();
// In SDDL: this user, the system and administrators have these rights, nobody else has any; with own_label.
std::wstring rights_of_own_user(std::wstring_view rights);

struct local_freed {
    void operator()(void* memory) const noexcept;
};
using descriptor_of_rights = std::unique_ptr<void, local_freed>;
descriptor_of_rights descriptor_from(const std::wstring& text);

}  // namespace co_wq::os
