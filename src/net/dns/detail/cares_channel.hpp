// cares_channel: c-ares on an event loop, without a thread.
//
// For:        the engine. c-ares keeps its own timeouts and does its own reads and writes, through the loop's
//             socket_calls (so that it works in a simulation too); it says which sockets it wants to read or write
//             (on_socket_state), and the loop tells it when they are ready (on_ready) and when time has passed
//             (on_time).
// Guarantees: every query gets one reply, at the latest from the destructor (`closed`), with records of the name and
//             the type that was asked for and of no other, whatever the server sends (message.hpp). Replies come from
//             inside ask(), on_ready, on_time or the destructor; they must not come back here. Search lists, hosts
//             files and the system's configuration are not c-ares' business here: it gets full names and all options.
//             What makes forged answers unlikely is c-ares' and the kernel's: ids from a generator that is seeded by
//             the system, ports chosen by the kernel for each socket, answers taken from the server's address only and
//             for the question that was asked. Nothing wakes the loop while no query is in flight. A socket's
//             registration is gone before c-ares closes it, so that a new socket with the same number is never taken
//             for the old one.
// Threads:    the loop's own.
#pragma once

#include <optional>
#include <string>

#include "io/event_loop.hpp"
#include "io/foreign.hpp"
#include "net/dns/detail/message.hpp"

struct ares_channeldata;

namespace co_wq::net::dns::detail {

class cares_channel;

// Added to the status of c-ares in error::os_code, to tell it from an errno value.
inline constexpr int cares_status_base = 100'000;

struct reply {
    answer content;
    std::optional<duration> negative_ttl{};  // of an error that says there is nothing: as its zone says
    unsigned timeouts = 0;                   // tries that had no answer
    bool malformed = false;
};

// How the servers are asked.
struct channel_options {
    std::string servers{};  // separated by commas
    duration query_timeout{};  // 1 ms to a minute
    int tries = 0;             // 1 to 16
    bool rotate = false;
    bool use_tcp = false;
    bool edns = false;
    std::uint16_t edns_bytes = 0;
    std::size_t addresses_max = 0;
    read_limits records{};
};

// What c-ares is given a pointer to: must not move or die before its reply.
class query {
public:
    using function = void (*)(query& self, reply&& come) noexcept;
    explicit query(function on_reply) noexcept : on_reply_(on_reply) {}
    query(const query&) = delete;
    query& operator=(const query&) = delete;

private:
    friend class cares_channel;
    cares_channel* channel_ = nullptr;
    std::string_view name_;
    record_type type_{};
    bool asked_again_ = false;
    const function on_reply_;
};

class cares_channel {
public:
    // Throws std::runtime_error.
    cares_channel(io::event_loop& loop, const channel_options& options);
    ~cares_channel();

    // name: a full one, without a dot at the end; outlives the query. The reply may come before this returns.
    void ask(query& what, const std::string& name, record_type type);
    std::size_t in_flight() const noexcept { return in_flight_; }

private:
    static void on_socket_state(void* self, io::native_handle handle, int readable, int writable) noexcept;
    static void on_reply(void* arg, int status, int timeouts, unsigned char* packet, int length) noexcept;
    void send(query& what);
    reply reply_of(const query& what, int status, std::string_view packet) const;
    static void on_ready(void* self, io::native_handle handle, io::direction way) noexcept;
    static void on_time(void* self) noexcept;
    void process(io::native_handle readable, io::native_handle writable) noexcept;

    io::event_loop& loop_;
    duration query_timeout_;
    bool edns_;
    read_limits addresses_limits_, records_limits_;
    ares_channeldata* channel_ = nullptr;
    std::size_t in_flight_ = 0;
    io::foreign_descriptors sockets_{loop_, &on_ready, this, "dns"};
    io::foreign_timer tick_{loop_, &on_time, this};
};

}  // namespace co_wq::net::dns::detail
