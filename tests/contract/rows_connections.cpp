// Rows of what makes connections.
#ifndef _WIN32
#include <sys/resource.h>
#include <unistd.h>
#endif

#include <optional>

#include "io/reactors.hpp"
#include "net/tcp.hpp"
#include "rows.hpp"

namespace co_wq::contract {
namespace {

using io::socket;

// ---- connect

// A connect waits only where nobody takes it: at a listener whose backlog is full.
class connecting : public subject {
public:
    using subject::subject;

    task<void> set_up() override {
        open_ = io::test::listen_on_loopback(loop).value();
        where_ = *open_.local_address();
        if (holds()) {
            full_ = io::test::listen_on_loopback(loop, 0).value();
            where_ = *full_.local_address();
            result<socket> queued = co_await io::test::connect_to(loop, where_);
            queued_ = std::move(*queued);
        } else if (at == cell::error) {
            socket nobody = io::test::listen_on_loopback(loop).value();
            where_ = *nobody.local_address();
        }
    }
    task<std::string> wait() override {
        const io::socket_address where = std::exchange(where_, *open_.local_address());
        dialing_.emplace(loop, loop.reactor().calls().open_stream(where.family()).value(), io::descriptor_kind::stream);
        const result<void> made = co_await dialing_->connect(where);
        co_return text_of(made);
    }
    task<void> complete() override { co_return; }
    task<void> fail() override { co_return; }
    void close_owner() override { dialing_->close(); }
    void destroy_owner() override { dialing_.reset(); }
    bool holds() const override {
        return at != cell::complete && at != cell::ready && at != cell::error && at != cell::completing;
    }

private:
    socket open_, full_, queued_;
    io::socket_address where_;
    std::optional<socket> dialing_;
};

constexpr plan connect_plan = operation_plan(ends("ok"), ends("ok"), ends("connection refused"), ends("ok|stopped"));

// ---- accept

// No more descriptors for this process while it lives.
#ifdef _WIN32
struct no_descriptors {};
constexpr expectation without_descriptors = none("not on Windows: nothing limits a process's handles");
#else
constexpr expectation without_descriptors = ends("too many open files");
class no_descriptors {
public:
    no_descriptors() {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        const int lowest = ::dup(0);
        ::close(lowest);
        rlimit none = before_;
        none.rlim_cur = static_cast<rlim_t>(lowest);
        ::setrlimit(RLIMIT_NOFILE, &none);
    }
    no_descriptors(const no_descriptors&) = delete;
    ~no_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
};
#endif

template <class Listener>
class accepting : public subject {
public:
    using subject::subject;
    task<void> set_up() override {
        if constexpr (std::is_same_v<Listener, socket>) {
            listener_.emplace(io::test::listen_on_loopback(loop).value());
        } else {
            listener_.emplace(net::tcp_listener::bind(loop, io::socket_address::loopback(0)).value());
        }
        where_ = *listener_->local_address();
        if (at == cell::ready) co_await complete();
    }
    task<std::string> wait() override {
        auto got = co_await listener_->accept();
        if (!got) co_return got.error().message();
        co_return "ok";
    }
    task<void> complete() override {
        // the simulated kernel may give the first to an accept that was abandoned, which closes it
        for (int i = 0; i < (simulated ? 2 : 1); ++i) {
            result<socket> made = co_await io::test::connect_to(loop, where_);
            if (made) clients_.push_back(std::move(*made));
        }
    }
    task<void> fail() override {
        socket client(loop, loop.reactor().calls().open_stream(where_.family()).value(), io::descriptor_kind::stream);
        limit_.emplace();
        (void)co_await client.connect(where_);
        clients_.push_back(std::move(client));
    }
    void settled() override { limit_.reset(); }
    void close_owner() override { listener_->close(); }
    void destroy_owner() override { listener_.reset(); }

private:
    std::optional<Listener> listener_;
    io::socket_address where_;
    std::vector<socket> clients_;
    std::optional<no_descriptors> limit_;
};

constexpr plan accept_plan = operation_plan(ends("ok"), ends("ok"), without_descriptors, ends("ok|stopped"));
constexpr const char* no_limit = "the simulated network refuses by chance, not on request";

}  // namespace

std::vector<variant> io_connect_awaiter_rows() { return {{"connect", &make<connecting>, connect_plan}}; }
std::vector<variant> io_accept_awaiter_rows() {
    return {{"accept", &make<accepting<socket>>, accept_plan, nullptr, no_limit}};
}
std::vector<variant> net_accept_awaiter_rows() {
    std::vector<variant> all = pipe_accept_rows();
    all.push_back({"tcp_listener accept", &make<accepting<net::tcp_listener>>, accept_plan, nullptr, no_limit});
    return all;
}

}  // namespace co_wq::contract
