// Writes the heads that an HTTP/1.1 intermediary sends on, from the heads it received.
//
// For:        the proxy's hot path: one walk over the fields, straight into the caller's buffer.
// Requires:   heads from request_parser and response_parser.
// Guarantees: Host is made from the request target and stands first, whatever the client's Host said. Exactly one of
//             Content-Length and Transfer-Encoding, made from the framing that was parsed, never copied. The fields of
//             hop_filter are left out; Via is added. out is only appended to.
// Threads:    plain functions.
// Source:     RFC 9112 sections 3.2.1, 3.2.2, 6; RFC 9110 sections 6.6.1 (Date), 7.6, 10.1.4 (TE), 15.2 (1xx).
//
//   byte_buffer out;
//   write_forward_request(out, parser.head(), {.pseudonym = "co_http_proxy"});
#pragma once

#include "http/byte_buffer.hpp"
#include "http/h1/message.hpp"

namespace co_wq::http::h1 {

struct request_rules {
    std::string_view pseudonym = "co_wq";      // our name in Via
    bool absolute_form = false;                // the next hop is a proxy itself
    bool keep_upgrade = false;                 // pass Upgrade on
    bool close = false;                        // ask the next hop to close after its answer
    bool send_expect = true;                   // pass Expect: 100-continue on; false if we sent the 100 ourselves
    std::string_view proxy_authorization = {};  // our credentials for the next hop
};

// Requires: the request is no CONNECT, and authority() is not empty. Max-Forwards is decremented as budget_of() says.
void write_forward_request(byte_buffer& out, const request_head& head, const request_rules& rules);

// A CONNECT of our own, for chains of proxies.
void write_connect_request(byte_buffer& out, const authority& where, const request_rules& rules);

struct response_rules {
    std::string_view pseudonym = "co_wq";    // our name in Via
    h1::version client = version::http_1_1;  // what the client spoke
    bool keep_alive = true;                  // the connection to the client goes on afterwards
    bool keep_upgrade = false;               // pass Upgrade on: for the 101 that the client asked for
    std::string_view date = {};              // added if the origin sent no Date
};

// How the body goes out to a client of this version: a length stays a length; what has none is sent in chunks, or to
// HTTP/1.0 until the connection's end, after which it must be closed.
body_kind outgoing_body(const framing& received, version client) noexcept;

// Returns outgoing_body(). Requires: no interim response for an HTTP/1.0 client, which does not know them.
body_kind write_forward_response(byte_buffer& out, const response_head& head, const response_rules& rules);

}  // namespace co_wq::http::h1
