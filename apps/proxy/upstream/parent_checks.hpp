// parent_checks: asks parents, again and again, whether they serve.
//
// For:        the first loop; what it finds holds for all of them (live_parent.hpp).
// Guarantees: a tcp check connects (with TLS, if that is how the parent is spoken to) and ends the connection; a
// connect
//             check opens a tunnel to check_target, through which nothing is sent. One at a time for each parent, at
//             once and then check_interval apart, each within check_timeout. Without parents there is no timer.
// Threads:    the loop's own. Lifetime: outlives run().
#pragma once

#include "proxy/server.hpp"
#include "proxy/upstream/live_parent.hpp"
#include "sync/event.hpp"

namespace co_wq::proxy::upstream {

class parent_checks {
public:
    explicit parent_checks(proxy_server& server) noexcept : server_(server) {}

    // For ever.
    task<void> run();
    // There are other rules, and maybe other parents.
    void changed() noexcept { changed_.set(); }

private:
    task<void> check_for_ever(const policy::engine& rules, live_parent& one);
    task<result<void>> check(const policy::engine& rules, const live_parent& one, std::string& why);

    proxy_server& server_;
    event changed_;
};

// Makes the settings' live parents, of which those that are as before go on as they are. "": done; else what is wrong,
// an egress address that is none of this machine's as well. Reads the system's trust where a new parent needs it:
// before the loops, or on a thread of its own.
std::string prepare_ways(policy::settings& chosen, const policy::settings* before);

}  // namespace co_wq::proxy::upstream
