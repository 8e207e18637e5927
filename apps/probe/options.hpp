// The options of co_probe's three commands.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.hpp"
#include "io/reactor.hpp"
#include "probe/way.hpp"

namespace co_wq::probe {

enum class fault_kind : std::uint8_t { none, rst, half_close, slow, early_data, abort_at };
const char* name_of(fault_kind kind) noexcept;

// Where a rude client resets its connection. Those of tunnels are passed over without one.
enum class phase : std::uint8_t {
    connect,      // connected, nothing sent
    half_tunnel,  // half of the proxy's greeting sent
    tunnel,       // the tunnel is open, with TLS if there is any
    half_head,    // half of the request's head sent
    upload,       // a body announced, half of it sent
    request,      // the whole request sent
    first_byte,   // the answer has begun
};
inline constexpr std::size_t phases = static_cast<std::size_t>(phase::first_byte) + 1;
const char* name_of(phase where) noexcept;

struct load_options {
    probe::way way;
    unsigned connections = 16;
    unsigned threads = 1;
    double rate = 0;  // 0: closed loop
    duration length = std::chrono::seconds(10);
    duration warmup = std::chrono::seconds(1);
    duration timeout = std::chrono::seconds(10);  // of one request, its connection included
    bool keep_alive = true;
    bool verify = true;
    std::uint64_t body_bytes = 0;
    fault_kind fault = fault_kind::none;
    phase abort_phase = phase::connect;
    double fault_share = 0.1;
    std::uint64_t max_errors = 0;
    std::string ca;         // file; empty: the system's trust
    bool insecure = false;  // any certificate will do
    io::reactor_kind reactor = io::reactor_kind::automatic;

    // Of the connections, those that misbehave.
    unsigned rude() const noexcept;
};

struct origin_options {
    std::string host = "127.0.0.1";
    std::uint16_t port = 0, echo_port = 0, sink_port = 0, source_port = 0;
    unsigned threads = 1;
    bool secure = false;
    std::string ca_out;
    io::reactor_kind reactor = io::reactor_kind::automatic;
};

struct options {
    enum class command : std::uint8_t { run, compare, origin } what = command::run;
    load_options load;
    origin_options origin;
    unsigned rounds = 5;
    std::string json, html;
    bool quiet = false;
    std::string words;  // the command line, for reports
};

enum class parse_outcome : std::uint8_t { run, done, wrong };

// done: help or version was printed. wrong: one line on standard error says what.
parse_outcome parse_options(int count, char** words, options& out);

// One line without control characters, of a length that can be read.
std::string on_one_line(std::string_view text);

}  // namespace co_wq::probe
