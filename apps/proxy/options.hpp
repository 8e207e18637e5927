// The proxy's options: their defaults, their reading, and what is wrong with them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "io/chaos.hpp"
#include "io/reactor.hpp"
#include "net/dns/resolver_options.hpp"
#include "proxy/seeing/seeing_options.hpp"

namespace co_wq::proxy {

struct limits {
    // Per loop and in all: connections of clients. 0: as many as descriptors allow.
    std::uint32_t connections_max = 0;
    // A request body of more is answered 413. 0: no limit.
    std::uint64_t body_bytes_max = 0;
    duration header_timeout = std::chrono::seconds(10);      // the whole head of a request
    duration keep_alive_timeout = std::chrono::seconds(60);  // between two requests of a connection
    duration connect_timeout = std::chrono::seconds(10);     // name and connection to the origin
    duration idle_timeout = std::chrono::seconds(300);       // no byte moves, in a body or a tunnel
    duration response_timeout = std::chrono::seconds(300);   // until the origin's answer begins
    duration drain_timeout = std::chrono::seconds(10);       // after SIGTERM, until what is left is ended
    duration pool_idle_timeout = std::chrono::seconds(30);   // an unused connection to an origin
    std::uint32_t pool_per_host_max = 64;
    std::uint32_t pool_max = 512;                            // per loop
};

struct options {
    std::string host = "127.0.0.1";
    std::uint16_t port = 18100;
    unsigned threads = 0;  // 0: one loop per usable core
    bool open = false;     // serve others than this machine without rules
    bool trace_packets = false;
    io::reactor_kind reactor = io::reactor_kind::automatic;
    io::chaos_options chaos;
    log::options log;
    net::dns::resolver_options names;
    limits limit;
    seeing_options seeing;
};

enum class parse_outcome : std::uint8_t { run, done, wrong };

// What a message may quote of the command line, whose words may hold anything: one line, of a length that can be read,
// without what moves a terminal's cursor.
std::string on_one_line(std::string_view text);

// Reads the command line. done: help or version was printed. wrong: one line on standard error says what.
parse_outcome parse_options(int count, char** words, options& out);

}  // namespace co_wq::proxy
