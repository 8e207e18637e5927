// Where this system says how names are looked up.
//
// Linux:    /etc/resolv.conf and /etc/hosts.
// Windows:  the settings of its network adapters and of its policies, which are no file, and the hosts file in its own
//           folder.
// Threads:  functions: any; an object: one at a time.
// Source:   resolv.conf(5); GetAdaptersAddresses, RegNotifyChangeKeyValue.
#pragma once

#include <memory>
#include <string>

namespace co_wq::os {

// A path; Windows: a name that cannot be one, for its settings.
std::string name_configuration();
std::string hosts_path();

// What is said under a name_configuration() that is no path.
class name_settings {
public:
    // Null: it is a path.
    static std::unique_ptr<name_settings> open();
    virtual ~name_settings() = default;
    // Servers and search list as lines of resolv.conf(5). Takes a millisecond or so.
    virtual std::string text() = 0;
    // Whether the text may be another one than when this was last asked; true at first. One system call.
    virtual bool changed() noexcept = 0;
};

}  // namespace co_wq::os
