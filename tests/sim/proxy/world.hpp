// The world of the proxy scenario: the real proxy's servers on their loops, and outside of it clients, origins and a
// name server.
//
// What is asked of an origin stands in the request's path, so that client and origin need no other understanding:
// /ID/SIZE/HOW, and a body is a pattern of its ID. So nobody can mistake one answer for another unnoticed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proxy/server.hpp"
#include "sim/driver.hpp"
#include "sim/report.hpp"
#include "sim/virtual_time.hpp"

namespace co_wq::sim::proxy {

// How an origin answers.
enum class manner : unsigned {
    length,       // Content-Length
    chunked,
    until_close,  // as HTTP/1.0 does
    slowly,       // with pauses
    not_modified, // 304, no body
    early,        // before the request's body is read
    broken,       // ends in the middle
    count
};

struct errand {
    std::uint32_t id = 0;
    std::uint32_t size = 0;    // of the answer's body
    std::uint32_t upload = 0;  // of the request's body; 0: none
    manner how = manner::length;
    bool chunked_upload = false;
    bool head_only = false;
};

std::string path_of(const errand& what);
std::optional<errand> errand_of(std::string_view path);

constexpr char letter(std::uint32_t id, std::uint64_t position) noexcept {
    return static_cast<char>('A' + (id * 7 + position * 3 + position / 61) % 53);
}
std::string text_of(std::uint32_t id, std::uint64_t from, std::size_t size);

inline constexpr std::uint16_t http_port = 80, echo_port = 443, silent_port = 81, closed_port = 82;
inline constexpr std::uint32_t upload_mark = 0x10000;  // an upload's text is that of its ID and this

struct world {
    explicit world(const io::sim_options& network);
    ~world();

    io::event_loop& outside() { return drive.loop(0); }
    void note(std::string_view what, std::int64_t first = 0, std::int64_t second = 0) {
        drive.clock().note(what, first, second);
    }
    // A client's connection to one of the proxy's loops.
    io::socket_address proxy_at(unsigned which) const;

    driver drive;
    virtual_time time;
    bool calm = false;     // nothing goes wrong but what clients and origins do on purpose
    bool ending = false;   // the proxy was told to end
    unsigned doors = 1;    // loops of the proxy
    unsigned servers_running = 0;
    std::uint32_t next_id = 0;
    std::map<std::uint32_t, unsigned> executed;  // whole requests that origins have seen, by ID
    co_wq::proxy::server_group group;
    std::vector<std::unique_ptr<co_wq::proxy::proxy_server>> servers;  // by loop, the first has none
    std::vector<std::unique_ptr<counting_scope>> scopes;               // of loop 0: everything outside
};

// The proxy's servers, on loops of their own. The outside's loop is there.
void start_proxy(world& where, unsigned loops);
// Tells the proxy to end.
void drain(world& where);
// Waits for the clients, ends everything, and checks that nothing is left.
void end(world& where, counting_scope& visitors);

// Answers queries for the names of this world.
void start_name_server(world& where);
// Accept for ever, on the outside loop.
task<void> http_origin(world& where, io::socket_address at);
task<void> echo_origin(world& where, io::socket_address at);
task<void> accept_for_ever(world& where, io::socket_address at, std::function<task<void>(io::socket)> talk);

// What a client does; each is one step of the script.
inline constexpr unsigned client_kinds = 14;
const char* name_of_client(unsigned kind) noexcept;
task<void> run_client(world& where, unsigned kind, std::uint64_t dice);

// Sends and receives whole texts, for clients and origins; false: the stream ended or broke.
task<bool> say(io::socket& on, std::string text, duration pause);
task<bool> hear(io::socket& on, std::string& into);

}  // namespace co_wq::sim::proxy
