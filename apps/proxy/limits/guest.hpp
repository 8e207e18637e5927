// guest: one client's connection and the limits, from its accept to its end, tunnel included.
//
// For:        proxy_server::serve, whose frame holds it; the session asks it, once when it knows who its client is, and
//             for each request.
// Requires:   a place that limiter::reserve gave; the guest gives it back.
// Guarantees: a connection over a limit gives its place back at once, and is told why by its first request's answer.
//             The bytes of a connection, of its client and of its user are paced, each direction by itself.
//             Where no limit is set, no table is touched, and asking costs two loads. Where some are, what it has
//             taken (its place, a user's) is given back whenever and however it ends.
// Threads:    its loop's own. Lifetime: within its server's.
//
//   guest visitor(server);
//   if (!visitor.arrive(address)) return client.reset();
//   if (const denial no = visitor.ask()) return refuse(no.status(), no.text());       // per request
//   if (const denial no = visitor.ask_as(user)) return refuse(no.status(), no.text());
//   visitor.end_request();
#pragma once

#include "net/pacer.hpp"
#include "proxy/limits/limiter.hpp"

namespace co_wq::proxy {

class proxy_server;

class guest final : private net::pacer {
public:
    explicit guest(proxy_server& server) noexcept : server_(server) {}
    guest(const guest&) = delete;
    guest& operator=(const guest&) = delete;
    ~guest();

    // Who it is. False: it is over a limit, and so are more than can be told.
    bool arrive(const policy::ip_address& client);
    // It is over a limit, and will hear so.
    bool turned_away() const noexcept { return turned_away_ != limit_kind::none; }

    // For a request, before anything else.
    denial ask();
    // When its user is known; once for each request.
    denial ask_as(std::string_view user);
    void end_request() noexcept;

    // Its pace, of bodies and tunnels; null: as fast as it goes. Forth is up, to the origin.
    net::pacer* pace() noexcept;

private:
    std::size_t piece_max() const noexcept override;
    duration took(bool forth, std::size_t size, time_point now) noexcept override;
    limit_kind sit(const policy::ip_address& client);

    proxy_server& server_;
    party* client_ = nullptr;  // null: nothing is limited by client
    party* user_ = nullptr;  // of the request under way
    shaper up_, down_;
    limit_kind turned_away_ = limit_kind::none;
    bool has_place_ = true;
    bool being_told_ = false;
};

}  // namespace co_wq::proxy
