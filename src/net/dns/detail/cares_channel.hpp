// cares_channel: c-ares on an event loop, without a thread.
//
// For:        the engine. c-ares keeps its own timeouts and does its own reads and writes, through the loop's
//             socket_calls (so that it works in a simulation too); it says which sockets it wants to read or write
//             (on_socket_state), and the loop tells it when they are ready (on_ready) and when time has passed
//             (on_time).
// Guarantees: every query gets one reply, at the latest from the destructor (`closed`), with addresses of the family
//             that was asked for and of no other, whatever the server sends. Replies come from inside ask(), on_ready,
//             on_time or the destructor; they must not come back here. Nothing wakes the loop while no query is in
//             flight. A socket's registration is gone before c-ares closes it, so that a new socket with the same
//             number is never taken for the old one.
// Threads:    the loop's own.
#pragma once

#include "io/event_loop.hpp"
#include "io/foreign.hpp"
#include "net/dns/detail/answer.hpp"
#include "net/dns/resolver_options.hpp"

struct ares_channeldata;
struct ares_addrinfo;

namespace co_wq::net::dns::detail {

class cares_channel;

// Added to the status of c-ares in error::os_code, to tell it from an errno value.
inline constexpr int cares_status_base = 100'000;

struct reply {
    answer found;
    duration ttl{};         // the smallest of the chain; meaningless for errors
    unsigned timeouts = 0;  // tries that had no answer
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
    io::address_family family_ = io::address_family::none;  // the one that was asked for
    const function on_reply_;
};

class cares_channel {
public:
    // Throws std::runtime_error.
    cares_channel(io::event_loop& loop, const resolver_options& options);
    ~cares_channel();

    // The reply may come before this returns.
    void ask(query& what, const std::string& name, io::address_family family);
    std::size_t in_flight() const noexcept { return in_flight_; }

private:
    static void on_socket_state(void* self, int handle, int readable, int writable) noexcept;
    static void on_reply(void* arg, int status, int timeouts, ares_addrinfo* found) noexcept;
    static void on_ready(void* self, io::native_handle handle, io::direction way) noexcept;
    static void on_time(void* self) noexcept;
    void process(io::native_handle readable, io::native_handle writable) noexcept;

    io::event_loop& loop_;
    duration query_timeout_;
    std::size_t addresses_max_;
    ares_channeldata* channel_ = nullptr;
    std::size_t in_flight_ = 0;
    io::foreign_descriptors sockets_{loop_, &on_ready, this, "dns"};
    io::foreign_timer tick_{loop_, &on_time, this};
};

}  // namespace co_wq::net::dns::detail
