// The proxy's options: their defaults, their reading, and what is wrong with them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "io/chaos.hpp"
#include "io/reactor.hpp"
#include "net/dns/resolver_options.hpp"
#include "proxy/handover.hpp"
#include "proxy/limits/limits.hpp"
#include "proxy/policy/settings.hpp"
#include "proxy/seeing/seeing_options.hpp"
#include "proxy/service.hpp"
#include "proxy/socks/addresses.hpp"
#include "proxy/socks/proxy_header.hpp"

namespace co_wq::proxy {

// co_http_proxy explain: which rule decides about a request, and why.
struct explain_request {
    std::string target;    // a URL, or host:port for a tunnel
    std::string method;    // empty: GET for http, CONNECT for https and host:port
    std::string user;      // taken for verified
    std::string client = "127.0.0.1";
    std::string listener;  // by name; empty: the first
    bool resolve = false;  // ask for the name's addresses, too
};

struct options {
    std::string host = "127.0.0.1";
    std::uint16_t port = 18100;
    unsigned threads = 0;  // 0: one loop per usable core
    std::string user;      // whom to run as once the sockets are open; empty: as started
    bool open = false;     // serve others than this machine without rules
    bool trace_packets = false;
    io::reactor_kind reactor = io::reactor_kind::automatic;
    io::chaos_options chaos;
    log::options log;
    net::dns::resolver_options names;
    limits limit;
    policy::settings rules;  // its listeners count; without any, host and port do
    explain_request explain;
    program self;  // what an upgrade starts
    std::uint32_t udp_per_client = 32;  // UDP associations of SOCKS 5; 0: none are served
    // Who is trusted to say, in a PROXY header, who its client is, and has to.
    std::vector<socks::address_block> proxy_protocol_from;
    // What we say at the beginning of tunnels.
    socks::proxy_header_version send_proxy_protocol = socks::proxy_header_version::none;
    seeing_options seeing;
    service_options service;
};

enum class parse_outcome : std::uint8_t { run, explain, errand, done, wrong };

// What a message may quote of the command line, whose words may hold anything: one line, of a length that can be read,
// without what moves a terminal's cursor.
std::string on_one_line(std::string_view text);

// Reads the command line, and the config file that it names: flags override the file. done: help, version or the
// outcome of --check-config was printed. errand: something else than to serve (service.hpp). wrong: standard error says
// what, one line for each problem. problems: takes them instead.
parse_outcome parse_options(int count, char** words, options& out, std::vector<std::string>* problems = nullptr);

}  // namespace co_wq::proxy
