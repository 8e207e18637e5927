// Whether a file's secret is one.
//
// Threads: any.
// Source:  chmod(2); GetNamedSecurityInfo, "Well-known SIDs".
#pragma once

#include <string>

namespace co_wq::os {

// Whether users at large may read or replace what is in it. Linux: others than its owner and its group, by its mode.
// Windows: whether its list of rights gives that to Everyone, Users, Authenticated Users, Interactive, Guests or the
// anonymous one, or it has no list. A file that cannot be asked is not exposed.
bool is_exposed(const std::string& path);

}  // namespace co_wq::os
