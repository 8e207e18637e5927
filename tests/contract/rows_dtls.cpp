// Rows of what waits on DTLS: for messages and for clients. Handshakes are ended at each step by tests/dtls.
#include <optional>

#include "dtls/world.hpp"
#include "rows.hpp"

namespace co_wq::contract {
namespace {

using net::tls::dtls_listener;
using net::tls::dtls_session;

class dtls_recv : public subject {
public:
    using subject::subject;
    task<void> set_up() override {
        listener_.emplace(net::tls::test::listen(loop));
        net::tls::test::sessions both = co_await net::tls::test::make_sessions(loop, *listener_);
        near_.emplace(std::move(both.client));
        far_.emplace(std::move(both.server));
        if (at != cell::ready) co_return;
        co_await complete();
        (void)co_await until([this] { return near_->counters().received > 0; });
    }
    task<std::string> wait() override {
        std::byte into[16];
        const result<net::tls::dtls_message> got = co_await near_->recv(into);
        if (!got) co_return got.error().message();
        if (got->ended) co_return "ended";
        co_return "ok " + std::string(as_text(const_bytes(into).first(got->size)));
    }
    task<void> complete() override { (void)co_await far_->send(as_bytes("x")); }
    task<void> fail() override {
        far_->close();
        co_return;
    }
    void close_owner() override { near_->close(); }
    void destroy_owner() override { near_.reset(); }

private:
    std::optional<dtls_listener> listener_;
    std::optional<dtls_session> near_, far_;
};

class dtls_accept : public subject {
public:
    using subject::subject;
    task<void> set_up() override {
        listener_.emplace(net::tls::test::listen(loop));
        where_ = *listener_->local_address();
        if (at != cell::ready) co_return;
        co_await complete();
        (void)co_await until([this] { return listener_->counters().waiting > 0; });
    }
    task<std::string> wait() override {
        const result<dtls_session> got = co_await listener_->accept();
        co_return got ? "ok" : got.error().message();
    }
    task<void> complete() override {
        result<dtls_session> made = co_await net::tls::test::connect(loop, where_);
        if (made) client_.emplace(std::move(*made));
    }
    void close_owner() override { listener_->close(); }
    void destroy_owner() override { listener_.reset(); }

private:
    io::socket_address where_;
    std::optional<dtls_listener> listener_;
    std::optional<dtls_session> client_;
};

consteval plan plan_of_recv() {
    return operation_plan(ends("ok x"), at_once("ok x"), ends("ended"), ends("ok x|stopped"));
}
consteval plan plan_of_accept() {
    return operation_plan(ends("ok"), at_once("ok"), none("it fails with its listener alone"), ends("ok|stopped"));
}
}  // namespace

std::vector<variant> net_tls_dtls_awaiter_rows() {
    return with_few_seeds(
        {{"DTLS recv", &make<dtls_recv>, plan_of_recv()}, {"DTLS accept", &make<dtls_accept>, plan_of_accept()}});
}

}  // namespace co_wq::contract
