#include "base/os/system_trust.hpp"

namespace co_wq::os {

system_trust read_system_trust() {
    return {.files = {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"}};
}

}  // namespace co_wq::os
