// open_through: what is said to a parent until a tunnel through it stands.
//
// For:        tunnels, requests that need a tunnel, and health checks of kind connect.
// Guarantees: HTTP: CONNECT with our credentials; its answer is read as any response (http/h1), so a head of more than
//             the limits, a broken one, or more than a few interim responses is the parent's fault. SOCKS 5: no more
//             bytes are awaited than the message has. What comes behind the last message is the tunnel's, in behind.
//             Neither our credentials nor a text of the parent's stands in `why` but for the status.
// Cancelled:  as every read and write: whoever calls sets the time limit.
// Threads:    the loop's own.
// Source:     RFC 9110 section 9.3.6; RFC 1928; RFC 1929.
#pragma once

#include <string>

#include "http/target.hpp"
#include "io/buffer.hpp"
#include "net/tls/connection.hpp"
#include "proxy/upstream/live_parent.hpp"

namespace co_wq::proxy::upstream {

// Who is to blame that there is no tunnel, and what a client is to be told.
struct outcome {
    enum class fault : std::uint8_t {
        none,         // the tunnel stands
        parent,  // broken, silent, or does not take us: another one may do better, and it counts against this one
        busy,  // it has no room: another one may
        destination,  // it works, and cannot get there: another address may do better
        denied,  // it does not allow that
        stopped,  // the client is gone, or we end
    };
    outcome() = default;
    outcome(fault who, error how, std::string text) : what(who), code(how), why(std::move(text)) {}

    fault what = fault::none;
    error code{errc::other};
    std::string why{};
};

// target: a name, or a numeric address. It and the rest outlive the task.
task<outcome> open_through(net::tls::connection& to, const live_parent& parent, const http::authority& target,
                           io::lease& behind);

// TLS on a connection to a parent over https. Requires: prepare() was called.
task<result<net::tls::connection>> secure(net::tcp_stream plain, const live_parent& parent);

// The same for what happened before anything was said.
outcome outcome_of(error why);

}  // namespace co_wq::proxy::upstream
