// Rows of what waits on a connected stream.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>

#include "io/pipe.hpp"
#include "io/reactors.hpp"
#include "rows.hpp"
#include "support/full_stream.hpp"
#include "task/scope.hpp"

namespace co_wq::contract {
namespace {

using io::socket;

constexpr const char* no_local_sockets = "the simulated network has no local sockets";
constexpr const char* no_pipes = "the simulated network has no pipes";

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

constexpr plan sending_plan = operation_plan(ends("ok"), ends("ok"), ends("connection reset"), ends("ok|stopped"));

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
constexpr plan polling_plan = operation_plan(ends("ok"), ends("ok"), ends("ok"), ends("ok|stopped"));

// ---- pipes

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

}  // namespace

std::vector<variant> io_recv_awaiter_rows() {
    std::vector<variant> all{
        {"recv", &make<plain_recv>, receiving_plan(ends("ok x"), ends("ok x|stopped"), at_once("ok x"))},
        {"recv of the end", &make<recv_of_end>, receiving_plan(ends("ok "), ends("ok |stopped"), at_once("ok "))},
        {"recv from a pipe", &make<from_pipe<plain_recv>>,
         pipe_receiving_plan(ends("ok x"), ends("ok x|stopped"), at_once("ok x")), no_pipes}};
    all.push_back(watch_rows().front());
    return all;
}
std::vector<variant> io_recv_lease_awaiter_rows() {
    return {{"recv_lease", &make<lease_recv>, receiving_plan(ends("ok x"), ends("ok x|stopped"), ends("ok x"))},
            {"recv_lease from a pipe", &make<from_pipe<lease_recv>>,
             pipe_receiving_plan(ends("ok x"), ends("ok x|stopped"), ends("ok x")), no_pipes}};
}
std::vector<variant> io_recv_pipe_awaiter_rows() {
    return {{"recv into a pipe", &make<pipe_recv>, receiving_plan(ends("ok 1"), ends("ok 1|stopped"), at_once("ok 1")),
             no_pipes}};
}
std::vector<variant> io_send_awaiter_rows() {
    return {{"send", &make<plain_send>, sending_plan},
            {"send into a pipe", &make<to_pipe<plain_send>>, pipe_sending_plan(), no_pipes}};
}
std::vector<variant> io_send_all_awaiter_rows() {
    return {{"send_all, 100 bytes", &make<whole_send<100>>, sending_plan},
            {"send_all, 100 kB", &make<whole_send<100'000>>, sending_plan},
            {"send_all into a pipe", &make<to_pipe<whole_send<100>>>, pipe_sending_plan(), no_pipes},
            {"send_all into a pipe, 100 kB", &make<to_pipe<whole_send<100'000>>>, pipe_sending_plan(), no_pipes}};
}
std::vector<variant> io_send_parts_awaiter_rows() {
    return {{"send_all, small parts", &make<parts_send<100>>, sending_plan},
            {"send_all, large parts", &make<parts_send<100'000>>, sending_plan},
            {"send_all of parts into a pipe", &make<to_pipe<parts_send<100'000>>>, pipe_sending_plan(), no_pipes}};
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
std::vector<variant> io_poll_awaiter_rows() {
    std::vector<variant> all{
        {"ready to read", &make<polling<io::direction::read>>, polling_plan},
        {"ready to write", &make<polling<io::direction::write>>, polling_plan},
        {"the peer's end", &make<polling<io::direction::read_end>>, polling_plan},
        {"the peer gone", &make<polling<io::direction::hang_up>>, polling_plan},
        {"a pipe to read", &make<from_pipe<polling<io::direction::read>>>, polling_plan, no_pipes},
        {"a pipe to write", &make<to_pipe<polling<io::direction::write>>>, polling_plan, no_pipes},
        {"a pipe that nobody reads", &make<to_pipe<polling<io::direction::hang_up>>>, polling_plan, no_pipes}};
    all.push_back(child_rows().front());
    return all;
}

}  // namespace co_wq::contract
