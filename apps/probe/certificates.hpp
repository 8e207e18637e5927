// A certificate authority of this process, and a server's certificate of it: for tests against one's own origin.
#pragma once

#include <string>

namespace co_wq::probe {

struct made_certificates {
    std::string authority;  // what clients are to believe; all in PEM
    std::string certificate, key;
};

// For localhost, 127.0.0.1, ::1, this host if it is another address, and names under .test. Good for 30 days. Throws
// std::runtime_error when OpenSSL cannot.
made_certificates make_certificates(const std::string& host);

}  // namespace co_wq::probe
