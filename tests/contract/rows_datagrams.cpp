// Rows of what waits on datagrams.
#include <sys/socket.h>

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

// ---- sending: UDP always has room on loopback, so two local sockets, whose queues are short

class datagram_send : public subject {
public:
    using subject::subject;
    task<void> set_up() override {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
            throw std::runtime_error("no pair of local sockets");
        near_.emplace(loop, ends[0], io::descriptor_kind::datagram);
        far_.emplace(loop, ends[1], io::descriptor_kind::datagram);
        if (at == cell::ready) co_return;
        while (::send(near_->handle(), "f", 1, MSG_NOSIGNAL) == 1) {
        }
    }
    task<std::string> wait() override {
        const result<void> sent = co_await near_->send_to({.data = as_bytes("x")});
        co_return text_of(sent);
    }
    // Room for several: who waits needs a whole place.
    task<void> complete() override {
        char into[4];
        while (::recv(far_->handle(), into, sizeof into, 0) > 0) {
        }
        co_return;
    }
    task<void> fail() override {
        far_.reset();
        co_return;
    }
    void close_owner() override { near_->close(); }
    void destroy_owner() override { near_.reset(); }

protected:
    std::optional<io::socket> near_, far_;
};

class batch_send : public datagram_send {
public:
    using datagram_send::datagram_send;
    task<std::string> wait() override {
        const std::array<io::outgoing, 2> both{{{.data = as_bytes("x")}, {.data = as_bytes("y")}}};
        const result<std::size_t> sent = co_await near_->send_batch(both);
        if (!sent) co_return sent.error().message();
        co_return "ok " + std::to_string(*sent);
    }
};

consteval plan sending_plan(expectation value, expectation late) {
    return operation_plan(value, value, ends("connection refused|connection reset"), late);
}

constexpr const char* always_room = "simulated datagrams always find room";

}  // namespace

std::vector<variant> io_recv_from_awaiter_rows() {
    return {{"recv_from", &make<datagram_recv>, receiving_plan(ends("ok x"), ends("ok x|stopped"), at_once("ok x"))}};
}
std::vector<variant> io_recv_batch_awaiter_rows() {
    return {{"recv_batch", &make<batch_recv>, receiving_plan(ends("ok 1x"), ends("ok 1x|stopped"), at_once("ok 1x"))}};
}
std::vector<variant> io_send_to_awaiter_rows() {
    return {{"send_to", &make<datagram_send>, sending_plan(ends("ok"), ends("ok|stopped")), always_room}};
}
std::vector<variant> io_send_batch_awaiter_rows() {
    return {{"send_batch", &make<batch_send>, sending_plan(ends("ok 2"), ends("ok 2|stopped")), always_room}};
}

}  // namespace co_wq::contract
