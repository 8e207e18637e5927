// dtls_endpoint: a UDP socket that carries DTLS, with the tasks that read it and write to it.
//
// Guarantees: nothing is held while nothing comes. Sending is tried at once; what finds no room waits, up to
//             outbox_bytes_max, and senders wait for that.
// Threads:    the loop's own. Lifetime: shared by its associations; the tasks end with it.
#pragma once

#include "net/tls/detail/dtls_association.hpp"
#include "net/udp.hpp"
#include "task/scope.hpp"

namespace co_wq::net::tls::detail {

class dtls_endpoint : public std::enable_shared_from_this<dtls_endpoint> {
public:
    dtls_endpoint(udp_socket socket, const dtls_options& options, bool connected) noexcept;
    dtls_endpoint(const dtls_endpoint&) = delete;
    dtls_endpoint& operator=(const dtls_endpoint&) = delete;
    virtual ~dtls_endpoint();

    void start();
    io::event_loop& loop() const noexcept { return loop_; }
    time_point now() const noexcept { return loop_.now(); }
    const udp_socket& socket() const noexcept { return socket_; }
    // Closes the socket, and ends the tasks.
    void shut() noexcept;

    // message_too_long, no_buffers and the like: it was not sent.
    result<void> output(const io::socket_address& to, const_bytes datagram) noexcept;
    bool has_room() const noexcept { return outbox_.size() < outbox_bytes_max; }
    void wish_for_room(dtls_association& who) noexcept {
        if (!who.list_hook<in_wish_for_room>::linked()) wishes_.push_back(who);
    }
    std::uint64_t unsent() const noexcept { return unsent_; }
    std::uint64_t truncated() const noexcept { return truncated_; }

    // ---- from associations
    // The handshake is over.
    virtual void opened(dtls_association& who) noexcept = 0;
    // It failed, the peer has said goodbye, or it need not linger any more: nothing comes for it any more.
    virtual void over(dtls_association& who, error why) noexcept = 0;
    virtual void closed(dtls_association& who, bool may_have_to_answer) noexcept = 0;
    virtual void forget(dtls_association& who) noexcept = 0;

    static constexpr std::size_t outbox_bytes_max = 256 * 1024;

protected:
    virtual void arrived(const io::socket_address& from, const_bytes datagram) noexcept = 0;
    virtual void hear(error of_network) noexcept = 0;
    // The socket does not receive any more.
    virtual void lost(error why) noexcept = 0;

private:
    static constexpr std::size_t batch_max = 16, datagram_bytes_min = 2048, block_bytes = 64 * 1024;
    static constexpr int failures_max = 64;  // in a row

    static task<void> receive(dtls_endpoint& self);
    static task<bool> receive_batch(dtls_endpoint& self);
    static task<void> transmit(dtls_endpoint& self);
    result<bool> send_now(const io::socket_address& to, const_bytes datagram) noexcept;

    io::event_loop& loop_;
    udp_socket socket_;
    const std::size_t datagram_bytes_;
    const bool connected_;
    datagram_queue outbox_;
    dtls_flag filled_;
    intrusive_list<dtls_association, in_wish_for_room> wishes_;
    std::uint64_t unsent_ = 0, truncated_ = 0;
    int failures_ = 0;
    counting_scope scope_;
};

// With the one session of a client.
class dtls_client final : public dtls_endpoint {
public:
    dtls_client(udp_socket socket, const dtls_options& options) noexcept
        : dtls_endpoint(std::move(socket), options, true) {}
    void serve(dtls_association& one) noexcept { one_ = &one; }

    void opened(dtls_association&) noexcept override {}
    void over(dtls_association&, error) noexcept override {}
    void closed(dtls_association&, bool) noexcept override { shut(); }
    void forget(dtls_association&) noexcept override { one_ = nullptr; }

private:
    void arrived(const io::socket_address& from, const_bytes datagram) noexcept override {
        if (one_ && from == one_->peer()) one_->feed(datagram);
    }
    void hear(error of_network) noexcept override {
        if (one_) one_->hear(of_network);
    }
    void lost(error why) noexcept override {
        if (one_) one_->fail_with(why);
    }
    dtls_association* one_ = nullptr;
};

result<void> check_options(const dtls_options& options) noexcept;

}  // namespace co_wq::net::tls::detail
