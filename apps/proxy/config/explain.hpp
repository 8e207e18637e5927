// explain: which rule decides about one request, and why, for people.
//
// For:        co_http_proxy explain URL. Asks the same engine that serves requests; nothing is connected, and only
//             --resolve asks a name server.
// Threads:    plain function; runs a loop of its own for --resolve.
#pragma once

#include "proxy/options.hpp"

namespace co_wq::proxy::config {

// Prints to standard output. 0: allowed, 1: denied, or none of the addresses is allowed, 2: the question is wrong.
int explain(const options& chosen);

}  // namespace co_wq::proxy::config
