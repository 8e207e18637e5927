// Rows of what waits for datagrams.
#include <optional>

#include "io/reactors.hpp"
#include "net/udp.hpp"
#include "rows.hpp"

namespace co_wq::contract {
namespace {

// ---- receiving: two sockets connected to each other

class datagram_recv : public subject {
public:
    using subject::subject;
    task<void> set_up() override {
        const io::socket_address any = io::socket_address::loopback(0);
        far_.emplace(*net::udp_socket::bind(loop, any));
        near_.emplace(*net::udp_socket::bind(loop, any));
        (void)near_->connect(*far_->local_address());
        (void)far_->connect(*near_->local_address());
        if (at != cell::ready) co_return;
        co_await complete();
        (void)co_await near_->socket().ready(io::direction::read);
    }
    task<std::string> wait() override {
        std::byte into[16];
        const result<io::received> got = co_await near_->recv_from(into);
        if (!got) co_return got.error().message();
        co_return "ok " + std::string(as_text(const_bytes(into).first(got->size)));
    }
    task<void> complete() override { (void)co_await far_->send(as_bytes("x")); }
    // Nobody is there for what we send, and our socket is told.
    task<void> fail() override {
        far_.reset();
        (void)co_await near_->send(as_bytes("anybody?"));
    }
    void close_owner() override { near_->close(); }
    void destroy_owner() override { near_.reset(); }

protected:
    std::optional<net::udp_socket> near_, far_;
};

class batch_recv : public datagram_recv {
public:
    using datagram_recv::datagram_recv;
    task<std::string> wait() override {
        std::byte into[2][16];
        std::array<io::incoming, 2> both;
        both[0].into = into[0];
        both[1].into = into[1];
        const result<std::size_t> got = co_await near_->recv_batch(both);
        if (!got) co_return got.error().message();
        co_return "ok " + std::to_string(*got) + std::string(as_text(const_bytes(into[0]).first(both[0].size)));
    }
};

consteval plan receiving_plan(expectation value, expectation late, expectation at_ready) {
    return operation_plan(value, at_ready, ends("connection refused"), late);
}

std::vector<variant> told_by_windows(variant one) {
    one.error_not_on_wine = "Wine does not tell that nobody was there";
    return {one};
}

}  // namespace

std::vector<variant> io_recv_from_awaiter_rows() {
    return told_by_windows(
        {"recv_from", &make<datagram_recv>, receiving_plan(ends("ok x"), ends("ok x|stopped"), at_once("ok x"))});
}
std::vector<variant> io_recv_batch_awaiter_rows() {
    return told_by_windows(
        {"recv_batch", &make<batch_recv>, receiving_plan(ends("ok 1x"), ends("ok 1x|stopped"), at_once("ok 1x"))});
}

}  // namespace co_wq::contract
