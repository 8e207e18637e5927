// admit: the one place where SOCKS asks whether a client may go somewhere, before a name is resolved and again for each
// address that is about to be used.
//
// For:        CONNECT and the UDP relay. What is asked is what rules speak about (policy/engine.hpp); what is denied is
// a
//             line of the log.
// Threads:    the server's loop. Lifetime: the views of a question live as long as the call.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "io/socket_address.hpp"
#include "proxy/admission.hpp"
#include "proxy/policy/engine.hpp"

namespace co_wq::proxy::socks {

// Who asks: the rules of the time it connected, where it arrived, and what is known of it.
struct asker {
    std::shared_ptr<const policy::engine> rules{};
    std::uint32_t listener = 0;
    io::socket_address client{};
    std::string user{};  // verified; empty: nobody that is known
};

struct question {
    const asker& who;
    std::string_view method{};  // "SOCKS" for a tunnel, "UDP" for datagrams
    std::string_view host{};  // a name in lower case or a numeric address without brackets
    std::uint16_t port = 0;
    let_through& reported;  // of this destination, so far
    bool quiet = false;  // no line in the log
};

struct decision {
    bool allowed = true;
    std::string why{};  // names the rule
    std::string_view rule{};  // lives as long as the rules
    const policy::route* route = nullptr;  // the way there, as in policy::decision
    bool by_address = false, needs_address = false;
};

decision admit(const question& what);
// Before there is a destination.
decision admit_client(const asker& who, std::string_view method);
decision admit_address(const question& what, const io::socket_address& peer);
// The same in two steps, for whoever tries several addresses of a name: a denial is told if none of them was allowed.
policy::decision judge_address(const question& what, const io::socket_address& peer);
decision tell(const question& what, const policy::decision& made);

}  // namespace co_wq::proxy::socks
