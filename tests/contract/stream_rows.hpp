// Subjects that wait on a connected stream.
#pragma once

#include <optional>

#include "io/reactors.hpp"
#include "rows.hpp"
#include "support/full_stream.hpp"
#include "task/scope.hpp"

namespace co_wq::contract {

using io::socket;

// Two connected sockets; the awaiter under test works on near.
class on_stream : public subject {
public:
    explicit on_stream(const setting& where) : subject(where), helpers_(where.loop) {}

    task<void> set_up() override { co_await connect(); }
    task<void> fail() override {
        far->reset();
        co_return;
    }
    void close_owner() override { near->close(); }
    void destroy_owner() override { near.reset(); }

protected:
    virtual task<void> connect() {
        io::test::connection pair = co_await io::test::make_connection(loop);
        near.emplace(std::move(pair.near));
        far.emplace(std::move(pair.far));
    }
    // Nothing more goes in until far reads.
    virtual task<void> fill() {
        while (!simulated && !fill_stream(near->handle(), far->handle())) co_await nap();
        std::size_t sent = 0, before = 0;
        counting_scope flooding(loop);
        if (simulated) flooding.spawn(flood(*near, sent), "flood");
        do {
            before = sent;
            for (int i = 0; i < 3; ++i) co_await nap();
        } while (sent != before);
        flooding.request_stop();
        co_await flooding.join();
    }
    // The peer reads whatever comes, from now on.
    void drain_far() {
        if (helpers_.empty()) helpers_.spawn(drain(*far), "drain");
    }

private:
    static task<void> flood(socket& to, std::size_t& sent) {
        const std::vector<std::byte> block(64 * 1024);
        for (;;) {
            const result<std::size_t> went = co_await to.send(block);
            if (!went) co_return;
            sent += *went;
        }
    }
    static task<void> drain(socket& from) {
        std::vector<std::byte> block(64 * 1024);
        for (;;) {
            const result<std::size_t> got = co_await from.recv(block);
            if (!got || *got == 0) co_return;
        }
    }

protected:
    std::optional<socket> near, far;

private:
    counting_scope helpers_;  // dies first
};

// ---- receiving

class receiving : public on_stream {
public:
    using on_stream::on_stream;
    task<void> set_up() override {
        co_await on_stream::set_up();
        if (at != cell::ready) co_return;
        co_await complete();
        (void)co_await near->ready(io::direction::read);
    }
    task<void> complete() override { (void)co_await far->send_all(as_bytes("x")); }
};

class plain_recv : public receiving {
public:
    using receiving::receiving;
    task<std::string> wait() override {
        std::byte into[16];
        const result<std::size_t> got = co_await near->recv(into);
        if (!got) co_return got.error().message();
        co_return "ok " + std::string(as_text(const_bytes(into).first(*got)));
    }
};

class lease_recv : public receiving {
public:
    using receiving::receiving;
    task<std::string> wait() override {
        const result<io::lease> got = co_await near->recv_lease(4096);
        if (!got) co_return got.error().message();
        co_return "ok " + std::string(as_text(got->data()));
    }
};

// Ends the stream instead of sending: no bytes, but a value.
class recv_of_end : public plain_recv {
public:
    using plain_recv::plain_recv;
    task<void> complete() override {
        (void)far->shutdown_send();
        co_return;
    }
};

consteval plan receiving_plan(expectation value, expectation late, expectation at_ready) {
    return operation_plan(value, at_ready, ends("connection reset"), late);
}

// ---- sending

class sending : public on_stream {
public:
    using on_stream::on_stream;
    task<void> set_up() override {
        co_await on_stream::set_up();
        if (at != cell::ready) {
            co_await fill();
        } else {
            drain_far();
        }
    }
    task<void> complete() override {
        drain_far();
        co_return;
    }
};

class plain_send : public sending {
public:
    using sending::sending;
    task<std::string> wait() override {
        const std::vector<std::byte> data(32 * 1024);
        const result<std::size_t> sent = co_await near->send(data);
        if (!sent) co_return sent.error().message();
        co_return *sent > 0 ? "ok" : "nothing was sent";
    }
};

template <std::size_t Size>
class whole_send : public sending {
public:
    using sending::sending;
    task<std::string> wait() override {
        const std::vector<std::byte> data(Size);
        const result<void> sent = co_await near->send_all(data);
        co_return text_of(sent);
    }
};

template <std::size_t Size>
class parts_send : public sending {
public:
    using sending::sending;
    task<std::string> wait() override {
        const std::vector<std::byte> data(Size);
        const result<void> sent = co_await near->send_all(std::array<const_bytes, 3>{as_bytes("head"), {}, data});
        co_return text_of(sent);
    }
};

inline constexpr plan sending_plan =
    operation_plan(ends("ok"), ends("ok"), ends("connection reset"), ends("ok|stopped"));

// ---- readiness

template <io::direction Way>
class polling : public on_stream {
public:
    using on_stream::on_stream;
    task<void> set_up() override {
        co_await on_stream::set_up();
        if (Way == io::direction::write && at != cell::ready) co_await fill();
        if (Way != io::direction::write && at == cell::ready) {
            co_await complete();
            (void)co_await near->ready(Way);
        }
    }
    task<std::string> wait() override {
        const result<void> seen = co_await near->ready(Way);
        co_return text_of(seen);
    }
    task<void> complete() override {
        if (Way == io::direction::read) (void)co_await far->send_all(as_bytes("x"));
        if (Way == io::direction::write) drain_far();
        if (Way == io::direction::read_end) (void)far->shutdown_send();
        if (Way == io::direction::hang_up) far->reset();
    }
};

// An error makes it ready, for the call that will report it.
inline constexpr plan polling_plan = operation_plan(ends("ok"), ends("ok"), ends("ok"), ends("ok|stopped"));

}  // namespace co_wq::contract
