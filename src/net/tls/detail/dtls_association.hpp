// dtls_association: a DTLS connection with its timer, what it has received, and who waits for it.
//
// For:        dtls_session; dtls_server holds those that no session holds.
// Guarantees: what waits on it keeps it alive, so it may be closed by anybody at any time.
// Threads:    the loop's own. Lifetime: shared; it keeps its endpoint.
#pragma once

#include <memory>
#include <optional>

#include "base/intrusive_list.hpp"
#include "net/tls/detail/datagram_queue.hpp"
#include "net/tls/detail/dtls_engine.hpp"
#include "net/tls/detail/dtls_wait.hpp"
#include "net/tls/dtls.hpp"
#include "sync/timer_queue.hpp"

namespace co_wq::net::tls::detail {

class dtls_endpoint;
struct in_wish_for_room;
struct in_turn;

using random_bytes = std::array<std::byte, 32>;

class dtls_association final : public std::enable_shared_from_this<dtls_association>,
                               public list_hook<in_wish_for_room>,
                               public list_hook<in_turn>,
                               private engine_sink,
                               private timer {
public:
    dtls_association(std::shared_ptr<dtls_endpoint> on, const io::socket_address& peer, ssl_ptr connection,
                     const dtls_options& options);
    ~dtls_association();

    bool start_client() noexcept;
    bool start_server(const client_hello& hello, const_bytes datagram, time_point give_up) noexcept;
    void feed(const_bytes datagram) noexcept;
    // What the system says of the way; the session goes on.
    void hear(error of_network) noexcept;
    // Ends it for everybody.
    void fail_with(error why) noexcept;
    // There is room for sending again.
    void room_came() noexcept { writable_.set(); }

    static task<result<void>> shake_hands(std::shared_ptr<dtls_association> self);
    static task<result<dtls_message>> recv(std::shared_ptr<dtls_association> self, bytes into);
    static task<result<void>> send(std::shared_ptr<dtls_association> self, const_bytes data);
    // Its owner lets go: says goodbye, and what waits ends with `closed`.
    void close() noexcept;
    // Stays for this long, to answer.
    void linger(time_point until) noexcept;

    const dtls_engine& engine() const noexcept { return engine_; }
    dtls_endpoint& endpoint() const noexcept { return *endpoint_; }
    const io::socket_address& peer() const noexcept { return peer_; }
    const random_bytes& hello_random() const noexcept { return hello_random_; }
    bool closed() const noexcept { return closed_; }
    dtls_counters counters() const noexcept;

private:
    result<void> output(const_bytes datagram) noexcept override;
    void arrived(const_bytes message) noexcept override;
    static void expired(timer& self) noexcept;
    void settle() noexcept;
    void arm() noexcept;
    // What recv has to say now; none: it has to wait.
    std::optional<result<dtls_message>> take(bytes into) noexcept;
    std::optional<error> failure() const noexcept;
    void show() noexcept;

    const std::shared_ptr<dtls_endpoint> endpoint_;
    const io::socket_address peer_;
    const std::uint32_t inbox_max_;
    dtls_engine engine_;
    dtls_engine::phase seen_ = dtls_engine::phase::shaking_hands;
    datagram_queue inbox_;
    dtls_flag shaken_, readable_, writable_;
    std::optional<error> told_, broken_;  // told_: by the system, once
    time_point give_up_ = no_deadline;
    bool closed_ = false, lingering_ = false;
    std::uint64_t received_ = 0, ignored_ = 0, overflowed_ = 0;
    random_bytes hello_random_{};
};

using association_ptr = std::shared_ptr<dtls_association>;

}  // namespace co_wq::net::tls::detail
