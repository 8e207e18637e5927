// A client whose every datagram a test decides about: an engine on a socket of the test's own.
#pragma once

#include "net/tls/detail/dtls_engine.hpp"
#include "world.hpp"

namespace co_wq::net::tls::test {

class hand_client final : public detail::engine_sink {
public:
    hand_client(io::event_loop& loop, socket_address server)
        : loop_(loop), server_(server), socket_(udp_socket::bind(loop, socket_address::loopback(0)).value()) {
        begin();
    }

    // Begins anew, from the same address.
    void begin() {
        detail::ssl_ptr connection(client_side().open("server.test", "").value());
        engine_ = std::make_unique<detail::dtls_engine>(std::move(connection), *this,
                                                        detail::engine_settings{.first_wait = 50ms});
        (void)engine_->start_client(loop_.now());
    }
    // One datagram from the server, unless nothing comes for so long; its bytes. It is not fed.
    task<std::string> receive(duration wait = 20s) {
        std::byte into[2048];
        const result<io::received> got = co_await with_timeout(wait, receive_from(socket_, into));
        if (!got) co_return std::string();
        co_return std::string(as_text(const_bytes(into).first(got->size)));
    }
    void feed(const std::string& datagram) { (void)engine_->feed(as_bytes(datagram), loop_.now()); }
    // Until the handshake is over, or failed.
    task<bool> shake() {
        while (engine_->now_is() == detail::dtls_engine::phase::shaking_hands) {
            const std::string come = co_await receive(std::max(engine_->due() - loop_.now(), duration(1ms)));
            if (!come.empty()) feed(come);
            engine_->expire(loop_.now());
        }
        co_return engine_->now_is() == detail::dtls_engine::phase::open;
    }
    task<std::string> hear() {
        heard_.clear();
        while (heard_.empty()) {
            const std::string come = co_await receive(20s);
            if (come.empty()) co_return "nothing";
            feed(come);
            if (engine_->now_is() == detail::dtls_engine::phase::ended) co_return "ended";
        }
        co_return heard_;
    }
    void send_raw(std::string_view datagram) {
        (void)socket_.socket().send_to_now({.data = as_bytes(datagram), .to = server_});
    }
    detail::dtls_engine& engine() { return *engine_; }
    const std::string& last_sent() const { return last_sent_; }
    const udp_socket& socket() const { return socket_; }

private:
    static task<result<io::received>> receive_from(const udp_socket& at, bytes into) {
        const result<io::received> got = co_await at.recv_from(into);
        co_return got;
    }
    result<void> output(const_bytes datagram) noexcept override {
        last_sent_ = as_text(datagram);
        send_raw(last_sent_);
        return {};
    }
    void arrived(const_bytes message) noexcept override { heard_ = as_text(message); }

    io::event_loop& loop_;
    socket_address server_;
    udp_socket socket_;
    std::unique_ptr<detail::dtls_engine> engine_;
    std::string last_sent_, heard_;
};

// Until it is so; false: not within so many milliseconds.
template <class Condition>
task<bool> soon(Condition condition, int limit_ms = 20'000) {
    for (int i = 0; i < limit_ms && !condition(); ++i) (void)co_await sleep_for(1ms);
    co_return condition();
}

}  // namespace co_wq::net::tls::test
