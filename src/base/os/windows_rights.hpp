// Who may use what programs make on Windows. Nothing of it is compiled elsewhere.
//
// For:     signals of other processes, named pipes. Threads: any.
// Source:  "Mandatory Integrity Control", "Security Descriptor Definition Language", "SYSTEM_MANDATORY_LABEL_ACE".
//
//   std::wstring text = L"D:P(A;;GA;;;BA)" + os::own_label();
#pragma once

#include <string>

namespace co_wq::os {

// The mandatory label of what other processes of the same user, administrators and the system may write to, behind the
// rest of a descriptor in SDDL: no process of a lower integrity level than this one may. At most the level of
// administrators, "high": services have a higher one, "system". Empty: not known (GetLastError); then give nobody
// anything.
std::wstring own_label();

}  // namespace co_wq::os
