// Rows of what waits on pipes and on local sockets.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/pipe.hpp"
#include "stream_rows.hpp"

namespace co_wq::contract {
namespace {

constexpr const char* no_local_sockets = "the simulated network has no local sockets";
constexpr const char* no_pipes = "the simulated network has no pipes";

class pipe_recv : public receiving {
public:
    using receiving::receiving;
    ~pipe_recv() override { loop.reactor().calls().close_pipe(pipe_); }
    task<void> set_up() override {
        pipe_ = loop.reactor().calls().open_pipe(64 * 1024).value();
        co_await receiving::set_up();
    }
    task<std::string> wait() override {
        const result<std::size_t> got = co_await near->recv(pipe_);
        if (!got) co_return got.error().message();
        co_return "ok " + std::to_string(pipe_.held);
    }
    std::size_t other_files() const override { return 2; }

private:
    io::pipe_pair pipe_;
};

// Over local sockets, the only ones that carry files.
template <class Base>
class on_local_stream : public Base {
public:
    using Base::Base;

protected:
    task<void> connect() override {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
            throw std::runtime_error("no pair of local sockets");
        this->near.emplace(this->loop, ends[0], io::descriptor_kind::local_stream);
        this->far.emplace(this->loop, ends[1], io::descriptor_kind::local_stream);
        co_return;
    }
    // Nothing of it is on its way: what does not go in now does not until the peer reads.
    task<void> fill() override {
        static constexpr char block[4096]{};
        while (::send(this->near->handle(), block, sizeof block, MSG_NOSIGNAL) > 0) {
        }
        co_return;
    }
};

// Over a pipe whose reading or writing end is near.
enum class pipe_end { reading, writing };

template <class Base, pipe_end Near>
class on_pipe : public Base {
public:
    using Base::Base;

protected:
    task<void> connect() override {
        int ends[2];
        if (::pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
        const bool reads = Near == pipe_end::reading;
        this->near.emplace(this->loop, ends[reads ? 0 : 1], io::descriptor_kind::pipe);
        this->far.emplace(this->loop, ends[reads ? 1 : 0], io::descriptor_kind::pipe);
        co_return;
    }
    task<void> fill() override {
        static constexpr char block[4096]{};
        while (::write(this->near->handle(), block, sizeof block) > 0) {
        }
        co_return;
    }
};

class files_recv : public on_local_stream<receiving> {
public:
    using on_local_stream::on_local_stream;
    task<std::string> wait() override {
        std::byte into[16];
        std::array<io::file_handle, 2> room;
        const result<io::received_files> got = co_await near->recv_with_files(into, room);
        if (!got) co_return got.error().message();
        co_return "ok " + std::string(as_text(const_bytes(into).first(got->size))) + std::to_string(got->files);
    }
    task<void> complete() override {
        const std::array<io::native_handle, 1> given{0};
        const result<void> sent = co_await far->send_all_with_files(as_bytes("x"), given);
        if (!sent) throw std::runtime_error("no file was sent");
    }
    // A local socket that is closed with unread bytes in it resets its peer (unix(7) does not say so; Linux does).
    task<void> fail() override {
        const result<void> sent = co_await near->send_all(as_bytes("unread"));
        if (sent) far->close();
    }
};

class files_send : public on_local_stream<sending> {
public:
    using on_local_stream::on_local_stream;
    task<std::string> wait() override {
        const std::vector<std::byte> data(100'000);
        const std::array<io::native_handle, 1> given{0};
        const result<void> sent = co_await near->send_all_with_files(data, given);
        co_return text_of(sent);
    }
};

class pipe_send : public sending {
public:
    using sending::sending;
    ~pipe_send() override { loop.reactor().calls().close_pipe(pipe_); }
    task<void> set_up() override {
        pipe_ = loop.reactor().calls().open_pipe(64 * 1024).value();
        source_ = co_await io::test::make_connection(loop);
        const std::vector<std::byte> data(1000);
        (void)co_await source_.near.send_all(data);
        (void)co_await source_.far.recv(pipe_);
        co_await sending::set_up();
    }
    task<std::string> wait() override {
        const result<void> sent = co_await near->send_all(pipe_);
        if (sent && pipe_.held != 0) co_return "bytes stayed in the pipe";
        co_return text_of(sent);
    }
    std::size_t other_files() const override { return 2; }

private:
    io::pipe_pair pipe_;
    io::test::connection source_;
};

template <class Base>
using from_pipe = on_pipe<Base, pipe_end::reading>;
template <class Base>
using to_pipe = on_pipe<Base, pipe_end::writing>;

consteval plan pipe_receiving_plan(expectation value, expectation late, expectation at_ready) {
    plan made = receiving_plan(value, late, at_ready);
    made.error = none("reading a pipe does not fail");
    return made;
}
consteval plan pipe_sending_plan() {
    plan made = sending_plan;
    made.error = ends("broken pipe");
    return made;
}

// ---- datagrams: UDP always has room on loopback, so two local sockets, whose queues are short

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

consteval plan datagram_plan(expectation value, expectation late) {
    return operation_plan(value, value, ends("connection refused|connection reset"), late);
}

constexpr const char* always_room = "simulated datagrams always find room";

}  // namespace

std::vector<variant> pipe_recv_rows() {
    return {{"recv from a pipe", &make<from_pipe<plain_recv>>,
             pipe_receiving_plan(ends("ok x"), ends("ok x|stopped"), at_once("ok x")), no_pipes}};
}
std::vector<variant> pipe_lease_rows() {
    return {{"recv_lease from a pipe", &make<from_pipe<lease_recv>>,
             pipe_receiving_plan(ends("ok x"), ends("ok x|stopped"), ends("ok x")), no_pipes}};
}
std::vector<variant> pipe_send_rows() {
    return {{"send into a pipe", &make<to_pipe<plain_send>>, pipe_sending_plan(), no_pipes}};
}
std::vector<variant> pipe_send_all_rows() {
    return {{"send_all into a pipe", &make<to_pipe<whole_send<100>>>, pipe_sending_plan(), no_pipes},
            {"send_all into a pipe, 100 kB", &make<to_pipe<whole_send<100'000>>>, pipe_sending_plan(), no_pipes}};
}
std::vector<variant> pipe_send_parts_rows() {
    return {{"send_all of parts into a pipe", &make<to_pipe<parts_send<100'000>>>, pipe_sending_plan(), no_pipes}};
}
std::vector<variant> pipe_poll_rows() {
    return {{"a pipe to read", &make<from_pipe<polling<io::direction::read>>>, polling_plan, no_pipes},
            {"a pipe to write", &make<to_pipe<polling<io::direction::write>>>, polling_plan, no_pipes},
            {"a pipe that nobody reads", &make<to_pipe<polling<io::direction::hang_up>>>, polling_plan, no_pipes}};
}
std::vector<variant> pipe_accept_rows() { return {}; }  // of Windows
std::vector<variant> io_recv_pipe_awaiter_rows() {
    return {{"recv into a pipe", &make<pipe_recv>, receiving_plan(ends("ok 1"), ends("ok 1|stopped"), at_once("ok 1")),
             no_pipes}};
}
std::vector<variant> io_recv_files_awaiter_rows() {
    return {{"recv with files", &make<files_recv>,
             receiving_plan(ends("ok x1"), ends("ok x1|stopped"), at_once("ok x1")), no_local_sockets}};
}
std::vector<variant> io_send_files_awaiter_rows() {
    plan expected = sending_plan;
    expected.error = ends("broken pipe|connection reset");
    return {{"send with files", &make<files_send>, expected, no_local_sockets}};
}
std::vector<variant> io_send_pipe_awaiter_rows() {
    return {{"send_all of a pipe", &make<pipe_send>, sending_plan, no_pipes}};
}
std::vector<variant> io_send_to_awaiter_rows() {
    return {{"send_to", &make<datagram_send>, datagram_plan(ends("ok"), ends("ok|stopped")), always_room}};
}
std::vector<variant> io_send_batch_awaiter_rows() {
    return {{"send_batch", &make<batch_send>, datagram_plan(ends("ok 2"), ends("ok 2|stopped")), always_room}};
}

}  // namespace co_wq::contract
