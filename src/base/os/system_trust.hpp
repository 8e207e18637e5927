// The certificates of authorities that this system believes.
//
// Linux:    files of distributions. Windows: the store ROOT of the user and of the machine, without what an
//           administrator has distrusted, or trusts for other things than servers.
// Threads:  any. Takes some milliseconds.
// Source:   CertOpenSystemStore, CertGetEnhancedKeyUsage.
#pragma once

#include <string>
#include <vector>

namespace co_wq::os {

struct system_trust {
    std::vector<std::string> files{};         // in PEM; the first one that exists counts
    std::vector<std::string> certificates{};  // in DER
    bool uses_openssl_file = true;            // OpenSSL's own default comes before the files
};

system_trust read_system_trust();

}  // namespace co_wq::os
