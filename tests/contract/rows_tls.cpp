// Rows of TLS: an established connection, and the handshake.
#include <optional>

#include "io/reactors.hpp"
#include "net/tls/connection.hpp"
#include "rows.hpp"
#include "support/certificates.hpp"
#include "support/full_stream.hpp"
#include "task/scope.hpp"
#include "task/when.hpp"

namespace co_wq::contract {
namespace {

using namespace net;

struct contexts {
    test::authority root;
    test::made shown = root.issue({.dns_names = {"example.net"}});
    tls::client_context clients = *tls::client_context::make({.trusted = *tls::trust::from_pem(root.certificate())});
    tls::server_context servers =
        *tls::server_context::make({.identities = {*tls::identity::from_pem(shown.certificate, shown.key)}});
};

const contexts& both() {
    static const contexts made;
    return made;
}

task<result<tls::stream>> client_of(io::socket raw) {
    return tls::connect(socket_stream(std::move(raw)), both().clients, "example.net");
}
task<result<tls::stream>> server_of(io::socket raw) {
    return tls::accept(socket_stream(std::move(raw)), both().servers);
}

// Two ends; the awaiter under test works on near.
class on_tls : public subject {
public:
    explicit on_tls(const setting& where) : subject(where), helpers_(where.loop) {}

    task<void> set_up() override {
        io::test::connection raw = co_await io::test::make_connection(loop);
        near_handle_ = raw.near.handle();
        far_handle_ = raw.far.handle();
        auto [client, server] = co_await when_all(client_of(std::move(raw.near)), server_of(std::move(raw.far)));
        if (!client || !server) throw std::runtime_error("no handshake");
        near.emplace(std::move(*client));
        far.emplace(std::move(*server));
        // the tickets that come behind a handshake are read: what comes from now on is data
        (void)co_await far->send_all(as_bytes("-"));
        std::byte first[1];
        (void)co_await near->recv(first);
    }
    task<void> fail() override {
        far->reset();
        co_return;
    }
    void close_owner() override { near->close(); }
    void destroy_owner() override { near.reset(); }

protected:
    // Nothing more goes in until far reads.
    task<void> fill() {
        std::size_t sent = 0, before = 0;
        counting_scope flooding(loop);
        flooding.spawn(flood(*near, sent), "flood");
        auto moved = std::chrono::steady_clock::now();
        do {
            if (sent != before) moved = std::chrono::steady_clock::now();
            before = sent;
            for (int i = 0; i < 5; ++i) co_await nap();
        } while (sent != before || (!simulated && !stays_full(near_handle_, far_handle_, moved)));
        flooding.request_stop();
        co_await flooding.join();
    }
    // The peer reads whatever comes, from now on.
    void drain_far() {
        if (helpers_.empty()) helpers_.spawn(drain(*far), "drain");
    }

private:
    static task<void> flood(const tls::stream& to, std::size_t& sent) {
        const std::vector<std::byte> block(8 * 1024);
        for (;;) {
            const result<void> went = co_await to.send_all(block);
            if (!went) co_return;
            sent += block.size();
        }
    }
    static task<void> drain(const tls::stream& from) {
        std::vector<std::byte> block(64 * 1024);
        for (;;) {
            const result<std::size_t> got = co_await from.recv(block);
            if (!got || *got == 0) co_return;
        }
    }
    io::native_handle near_handle_ = io::no_handle, far_handle_ = io::no_handle;

protected:
    std::optional<tls::stream> near, far;

private:
    counting_scope helpers_;  // dies first
};

class tls_receiving : public on_tls {
public:
    using on_tls::on_tls;
    task<void> set_up() override {
        co_await on_tls::set_up();
        if (at != cell::ready) co_return;
        co_await complete();
        for (int i = 0; i < 20; ++i) co_await nap();
    }
    task<void> complete() override { (void)co_await far->send_all(as_bytes("x")); }
};

class tls_recv : public tls_receiving {
public:
    using tls_receiving::tls_receiving;
    task<std::string> wait() override {
        std::byte into[16];
        const result<std::size_t> got = co_await near->recv(into);
        if (!got) co_return got.error().message();
        co_return "ok " + std::string(as_text(const_bytes(into).first(*got)));
    }
};

// The peer says that this is all.
class tls_recv_of_end : public tls_recv {
public:
    using tls_recv::tls_recv;
    task<void> complete() override {
        (void)far->shutdown_send();
        co_return;
    }
};

class tls_lease_recv : public tls_receiving {
public:
    using tls_receiving::tls_receiving;
    task<std::string> wait() override {
        const result<io::lease> got = co_await near->recv_lease(4096);
        if (!got) co_return got.error().message();
        co_return "ok " + std::string(as_text(got->data()));
    }
};

// The same through a connection, which is TLS here.
class secured_recv : public tls_receiving {
public:
    using tls_receiving::tls_receiving;
    task<void> set_up() override {
        co_await tls_receiving::set_up();
        over_.emplace(std::move(*near));
    }
    task<std::string> wait() override {
        const result<io::lease> got = co_await over_->recv_lease(4096);
        if (!got) co_return got.error().message();
        co_return "ok " + std::string(as_text(got->data()));
    }
    void close_owner() override { over_->close(); }
    void destroy_owner() override { over_.reset(); }

private:
    std::optional<tls::connection> over_;
};

// And which is plain TCP.
class plain_recv : public subject {
public:
    using subject::subject;
    task<void> set_up() override {
        io::test::connection raw = co_await io::test::make_connection(loop);
        near_.emplace(tcp_stream(std::move(raw.near)));
        far_.emplace(std::move(raw.far));
        if (at != cell::ready) co_return;
        co_await complete();
        for (int i = 0; i < 20; ++i) co_await nap();
    }
    task<std::string> wait() override {
        const result<io::lease> got = co_await near_->recv_lease(4096);
        if (!got) co_return got.error().message();
        co_return "ok " + std::string(as_text(got->data()));
    }
    task<void> complete() override { (void)co_await far_->send_all(as_bytes("x")); }
    task<void> fail() override {
        far_->reset();
        co_return;
    }
    void close_owner() override { near_->close(); }
    void destroy_owner() override { near_.reset(); }

private:
    std::optional<tls::connection> near_;
    std::optional<tcp_stream> far_;
};

template <std::size_t Size>
class tls_send : public on_tls {
public:
    using on_tls::on_tls;
    task<void> set_up() override {
        co_await on_tls::set_up();
        if (at != cell::ready) {
            co_await fill();
        } else {
            drain_far();
        }
    }
    task<std::string> wait() override {
        const std::vector<std::byte> data(Size);
        const result<void> sent = co_await near->send_all(data);
        co_return text_of(sent);
    }
    task<void> complete() override {
        drain_far();
        co_return;
    }
};

// The client's side; the peer does not answer until it is told to.
class shaking : public subject {
public:
    explicit shaking(const setting& where) : subject(where), helpers_(where.loop) {}

    task<void> set_up() override { co_await connect(); }
    task<std::string> wait() override {
        if (!near_.is_open()) {
            far_.close();  // of the one before
            co_await connect();
        }
        const result<tls::stream> made = co_await client_of(std::move(near_));
        co_return made ? "ok" : made.error().message();
    }
    task<void> complete() override {
        const bool there = co_await until([this] { return far_.is_open(); });
        if (!there) throw std::runtime_error("no connection");
        helpers_.spawn(answer(std::move(far_)), "server");
    }
    task<void> fail() override {
        far_.reset();
        co_return;
    }
    bool keeps() const override { return false; }

private:
    task<void> connect() {
        io::test::connection raw = co_await io::test::make_connection(loop);
        near_ = std::move(raw.near);
        far_ = std::move(raw.far);
    }
    static task<void> answer(io::socket raw) { (void)co_await server_of(std::move(raw)); }

    io::socket near_, far_;
    counting_scope helpers_;  // dies first
};

constexpr const char* owned_by_frame = "the connection is the frame's own";

consteval plan receiving_plan(const char* value, const char* late) {
    return operation_plan(ends(value), ends(value), ends("connection reset"), ends(late));
}

constexpr plan sending_plan = operation_plan(ends("ok"), ends("ok"), ends("connection reset"), ends("ok|stopped"));

consteval plan shaking_plan() {
    plan made = operation_plan(ends("ok"), none("it takes an answer to what it says first"), ends("connection reset"),
                               ends("ok|stopped"));
    made.owner_closed = none(owned_by_frame);
    made.owner_destroyed = none(owned_by_frame);
    return made;
}

}  // namespace

std::vector<variant> net_tls_recv_awaiter_rows() {
    return with_few_seeds({{"TLS recv", &make<tls_recv>, receiving_plan("ok x", "ok x|stopped")},
                           {"TLS recv of the end", &make<tls_recv_of_end>, receiving_plan("ok ", "ok |stopped")}});
}
std::vector<variant> net_tls_recv_lease_awaiter_rows() {
    return with_few_seeds({{"TLS recv_lease", &make<tls_lease_recv>, receiving_plan("ok x", "ok x|stopped")}});
}
std::vector<variant> net_tls_either_awaiter_rows() {
    return with_few_seeds(
        {{"connection's recv_lease, TLS", &make<secured_recv>, receiving_plan("ok x", "ok x|stopped")},
         {"connection's recv_lease, TCP", &make<plain_recv>, receiving_plan("ok x", "ok x|stopped")}});
}
std::vector<variant> net_tls_send_awaiter_rows() {
    return with_few_seeds({{"TLS send_all, 100 bytes", &make<tls_send<100>>, sending_plan},
                           {"TLS send_all, 100 kB", &make<tls_send<100'000>>, sending_plan}});
}
std::vector<variant> net_tls_handshake_awaiter_rows() {
    return with_few_seeds({{"TLS handshake", &make<shaking>, shaking_plan()}});
}

}  // namespace co_wq::contract
