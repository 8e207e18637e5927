// credentials: who may log in with a user and a password (RFC 1929).
//
// For:        the SOCKS 5 handshake. A proxy without any offers "no authentication" alone; one with them offers
//             "user and password" alone, and takes no SOCKS 4, which has no password.
// Requires:   check takes its time elsewhere if it needs any (password hashes are slow on purpose); it may be destroyed
//             while it waits.
// Threads:    check runs on the client's loop, on several loops at once.
// Lifetime:   outlives the proxy.
#pragma once

#include <string>

#include "task/task.hpp"

namespace co_wq::proxy::socks {

class credentials {
public:
    virtual ~credentials() = default;
    virtual task<bool> check(std::string user, std::string password) = 0;
};

}  // namespace co_wq::proxy::socks
