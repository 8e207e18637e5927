// Races of the operations on descriptors.
#include <sys/ioctl.h>

#include "arena.hpp"
#include "io/socket.hpp"
#include "kernel/kernel.hpp"
#include "sync/deadline.hpp"

namespace co_wq::storm {
namespace {

using namespace std::chrono_literals;

// A counted stream of bytes: what arrives must be the next ones, each once.
class byte_sequence {
public:
    std::string more(std::size_t count) {
        std::string made(count, '\0');
        for (char& one : made) one = static_cast<char>(sent_++ % 251);
        return made;
    }
    void take(const_bytes data) {
        for (const std::byte one : data) in_order_ &= one == static_cast<std::byte>(got_++ % 251);
    }
    bool complete() const { return got_ == sent_; }
    bool in_order() const { return in_order_; }

private:
    std::uint64_t sent_ = 0, got_ = 0;
    bool in_order_ = true;
};

enum class how_to_read { plain, lease, pipe };

struct reading {
    explicit reading(arena& in) : arena_(in) {
        kernel::pair made = kernel::connect_pair();
        far = std::move(made.far);
        near = io::socket(in.loop(), made.near.release(), io::descriptor_kind::stream);
        pipe = *in.loop().reactor().calls().open_pipe(65536);
    }
    ~reading() { arena_.loop().reactor().calls().close_pipe(pipe); }

    arena& arena_;
    kernel::file far;
    io::socket near;
    io::pipe_pair pipe;
    byte_sequence stream;
};

task<void> reads(reading& on, how_to_read way, last_words& words) {
    if (way == how_to_read::plain) {
        std::vector<std::byte> buffer(64);
        const result<std::size_t> got = co_await on.near.recv(buffer);
        if (words.say(got)) on.stream.take(const_bytes(buffer).first(*got));
    } else if (way == how_to_read::lease) {
        const result<io::lease> got = co_await on.near.recv_lease(4096);
        if (words.say(got)) on.stream.take(got->data());
    } else {
        const result<std::size_t> got = co_await on.near.recv(on.pipe);
        if (words.say(got)) {
            std::vector<std::byte> buffer(on.pipe.held);
            (void)::read(on.pipe.read_end, buffer.data(), buffer.size());
            on.pipe.held = 0;
            on.stream.take(buffer);
        }
    }
}

task<void> reads_the_rest(reading& on, how_to_read way) {
    for (last_words words; !on.stream.complete();) {
        co_await with_timeout(2s, reads(on, way, words));
        if (!words.won) co_return;
    }
}

template <how_to_read First, how_to_read Second = First>
report race_reads(io::reactor_kind kind, long bouts) {
    arena in(kind, bouts);
    {
        reading on(in);
        while (in.next()) {
            const how_to_read way = in.bout() % 8 < 4 ? First : Second;
            const std::string text = on.stream.more(static_cast<std::size_t>(1 + in.bout() % 7));
            in.fight(reads(on, way, in.words), [&] { (void)kernel::send_text(on.far, text); });
            if (!on.stream.complete()) in.loop().run(reads_the_rest(on, way));
            in.check(on.stream.complete(), "bytes are missing");
            in.check(on.stream.in_order(), "bytes are out of order");
        }
    }
    return in.finish();
}

enum class how_to_send { plain, all, gathered };

enum class family { local, tcp };  // a full TCP stream may wait some 40 ms for an acknowledgement, a local one never

kernel::pair small_stream(family which) {
    if (which == family::tcp) return kernel::connect_pair(4096, 16384);
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    kernel::set_option(ends[0], SOL_SOCKET, SO_SNDBUF, 8192);
    return {kernel::file(ends[0]), kernel::file(ends[1])};
}

// A stream that is full when the victim comes; the partner makes room.
struct sending {
    sending(arena& in, std::size_t message_bytes, family which = family::local) : message(message_bytes), got(1 << 20) {
        kernel::pair made = small_stream(which);
        far = std::move(made.far);
        handle = made.near;
        near = io::socket(in.loop(), made.near.release(), io::descriptor_kind::stream);
        for (std::size_t at = 0; at < message.size(); ++at) message[at] = static_cast<std::byte>(1 + at % 250);
    }
    void fill() {
        static const std::string block(1024, '\0');
        filled = read = 0;
        for (ssize_t sent; (sent = kernel::send_text(handle, block)) > 0;) filled += static_cast<std::size_t>(sent);
    }
    void take() {
        for (ssize_t count; (count = ::recv(far, got.data() + read, got.size() - read, 0)) > 0;)
            read += static_cast<std::size_t>(count);
    }
    // Everything that was sent has arrived and is read.
    bool drained() {
        int queued = 0;
        ::ioctl(handle, TIOCOUTQ, &queued);
        take();
        return queued == 0;
    }
    // How much of the message arrived behind the filling, or -1: something else did.
    long part() const {
        if (read < filled) return -1;
        for (std::size_t at = filled; at < read; ++at)
            if (at - filled >= message.size() || got[at] != message[at - filled]) return -1;
        return static_cast<long>(read - filled);
    }

    kernel::file far;
    int handle = -1;
    io::socket near;
    std::vector<std::byte> message, got;
    std::size_t filled = 0, read = 0;
    std::size_t reported = 0;
};

task<void> sends(sending& on, how_to_send way, last_words& words) {
    const const_bytes data(on.message);
    on.reported = 0;
    if (way == how_to_send::plain) {
        const result<std::size_t> sent = co_await on.near.send(data);
        if (words.say(sent)) on.reported = *sent;
    } else if (way == how_to_send::all) {
        const result<void> sent = co_await on.near.send_all(data);
        if (words.say(sent)) on.reported = data.size();
    } else {
        const std::array<const_bytes, 3> parts{data.first(10), data.subspan(10, 20), data.subspan(30)};
        const result<void> sent = co_await on.near.send_all(parts);
        if (words.say(sent)) on.reported = data.size();
    }
}

template <how_to_send Way, std::size_t Bytes, family Family = family::local>
report race_sends(io::reactor_kind kind, long bouts) {
    arena in(kind, bouts);
    {
        sending on(in, Bytes, Family);
        in.ready();
        while (in.next()) {
            on.fill();
            in.fight(sends(on, Way, in.words), [&] {
                while (!in.over() && on.read < on.filled + Bytes) {
                    on.take();
                    std::this_thread::yield();
                }
            });
            // what an orphan still sends belongs to this bout; a wait for room may reach into the next
            in.eventually("bytes or operations are under way for ever",
                          [&] { return on.drained() && (!in.destroyed() || in.settled()); });
            const long part = on.part();
            in.check(part >= 0, "bytes that nobody sent, or too few");
            if (in.words.won) in.check(part == static_cast<long>(on.reported), "sent and reported differ");
            // whole messages that were not reported: nobody can tell that they must not be sent again
            if (in.words.ended && !in.words.won)
                in.check(part < static_cast<long>(Bytes), "a message was sent whole and called cancelled");
            if (in.words.ended && !in.words.won && Way == how_to_send::plain)
                in.check(part == 0, "bytes were sent and called cancelled");
        }
    }
    return in.finish();
}

task<void> accepts(io::socket& from, io::socket& into, last_words& words) {
    result<io::socket> got = co_await from.accept();
    if (words.say(got)) into = std::move(*got);
}
task<void> accepts_soon(io::socket& from, io::socket& into) {
    last_words words;
    co_await with_timeout(500us, accepts(from, into, words));
}

// Whether a byte goes from one end to the other: they belong together.
bool belong_together(int server, int client) {
    return kernel::send_text(server, "!") == 1 && kernel::events_within(client, POLLIN, 2000) &&
           kernel::receive(client, 1) == 1;
}

report race_accepts(io::reactor_kind kind, long bouts) {
    arena in(kind, bouts);
    {
        kernel::file raw = kernel::listen_on_loopback();
        const sockaddr_in where = kernel::address_of(raw);
        io::socket listener(in.loop(), raw.release(), io::descriptor_kind::listener);
        while (in.next()) {
            io::socket server;
            kernel::file client = kernel::tcp();
            in.fight(accepts(listener, server, in.words), [&] { (void)kernel::start_connect(client, where); });
            bool closed = false;
            in.eventually("a connection is neither accepted nor closed", [&] {
                if (server.is_open()) return true;
                closed = in.destroyed() && kernel::events_within(client, POLLIN | POLLRDHUP, 0) != 0;
                if (!closed) in.loop().run(accepts_soon(listener, server));
                return closed || server.is_open();
            });
            if (server.is_open()) in.check(belong_together(server.handle(), client), "it is another connection");
            kernel::reset(client);
        }
    }
    return in.finish();
}

task<void> connects(arena& in, io::socket_address where, io::socket& into, last_words& words) {
    result<io::native_handle> handle = in.loop().reactor().calls().open_stream(io::address_family::ipv4);
    if (!handle) co_return;
    io::socket made(in.loop(), *handle, io::descriptor_kind::stream);
    const result<void> connected = co_await made.connect(where);
    if (words.say(connected)) into = std::move(made);
}

report race_connects(io::reactor_kind kind, long bouts) {
    arena in(kind, bouts);
    {
        const kernel::file listener = kernel::listen_on_loopback(128);
        const auto where = io::socket_address::loopback(ntohs(kernel::address_of(listener).sin_port));
        while (in.next()) {
            io::socket client;
            in.fight(connects(in, where, client, in.words));
            in.check(client.is_open() == in.words.won, "a connected socket is lost");
            if (client.is_open()) {
                kernel::file server = kernel::accept_from(listener);
                in.check(server >= 0 && belong_together(server, client.handle()), "nobody was connected to");
                kernel::reset(server);
                client.close();
            }
            in.settle();
            in.check(in.loop().reactor().descriptors().live() == 0, "the socket of a cancelled connect stays open");
            for (;;) {  // what was connected although nobody waited any more
                kernel::file server(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
                if (server < 0) break;
                in.check(!in.words.won, "two connections of one connect");
                in.check(kernel::events_within(server, POLLIN, 2000) != 0, "an orphan's connection stays open");
                kernel::reset(server);
            }
        }
    }
    return in.finish();
}

task<void> polls(io::socket& on, io::direction way, last_words& words) {
    const result<void> ready = co_await on.ready(way);
    words.say(ready);
}
task<void> polls_again(io::socket& on, io::direction way, bool& ready) {
    last_words words;
    co_await with_timeout(2s, polls(on, way, words));
    ready = words.won;
}

report race_polls_for_bytes(io::reactor_kind kind, long bouts) {
    arena in(kind, bouts);
    {
        reading on(in);
        while (in.next()) {
            in.fight(polls(on.near, io::direction::read, in.words), [&] { (void)kernel::send_text(on.far, "x"); });
            bool ready = in.words.won;
            if (!ready) in.loop().run(polls_again(on.near, io::direction::read, ready));
            in.check(ready, "bytes are there and nobody is told");
            in.check(kernel::receive(on.near.handle(), 8) == 1, "ready without a byte");
        }
    }
    return in.finish();
}

report race_polls_for_room(io::reactor_kind kind, long bouts) {
    arena in(kind, bouts);
    {
        sending on(in, 1);
        while (in.next()) {
            on.fill();
            in.fight(polls(on.near, io::direction::write, in.words), [&] { on.take(); });
            in.eventually("bytes are under way for ever", [&] { return on.drained(); });
            bool ready = in.words.won;
            if (!ready) in.loop().run(polls_again(on.near, io::direction::write, ready));
            in.check(ready, "there is room and nobody is told");
        }
    }
    return in.finish();
}

// ---- datagrams, each with its number

struct letters {
    explicit letters(arena& in) {
        int ends[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
        near = io::socket(in.loop(), ends[0], io::descriptor_kind::datagram);
        far = kernel::file(ends[1]);
    }
    // The next one that is there for the far end; -1: none.
    long arrived() const {
        long number = -1;
        return ::recv(far, &number, sizeof number, MSG_DONTWAIT) == sizeof number ? number : -1;
    }

    io::socket near;
    kernel::file far;
    long got = -1;
};

task<void> receives(letters& on, bool batch, last_words& words) {
    std::array<long, 2> numbers{-1, -1};
    if (batch) {
        std::array<io::incoming, 2> both;
        for (std::size_t i = 0; i < both.size(); ++i) both[i].into = std::as_writable_bytes(std::span(&numbers[i], 1));
        const result<std::size_t> got = co_await on.near.recv_batch(both);
        words.say(got);
    } else {
        const result<io::received> got = co_await on.near.recv_from(std::as_writable_bytes(std::span(&numbers[0], 1)));
        words.say(got);
    }
    if (words.won) on.got = numbers[0];
}

task<void> receives_soon(letters& on, bool batch) {
    last_words words;
    co_await with_timeout(2s, receives(on, batch, words));
}

template <bool Batch>
report race_datagrams(io::reactor_kind kind, long bouts) {
    arena in(kind, bouts);
    {
        letters on(in);
        in.ready();
        while (in.next()) {
            const long number = in.bout();
            on.got = -1;
            in.fight(receives(on, Batch, in.words), [&] { (void)::send(on.far, &number, sizeof number, 0); });
            if (on.got < 0) in.loop().run(receives_soon(on, Batch));
            in.check(on.got == number, "a datagram is lost, or another came");
        }
    }
    return in.finish();
}

task<void> sends_one(letters& on, long number, bool batch, last_words& words) {
    const const_bytes data = std::as_bytes(std::span(&number, 1));
    if (batch) {
        const std::array<io::outgoing, 1> all{{{.data = data}}};
        const result<std::size_t> sent = co_await on.near.send_batch(all);
        words.say(sent);
    } else {
        const result<void> sent = co_await on.near.send_to({.data = data});
        words.say(sent);
    }
}

// The queue is full when the victim comes; the partner makes room.
template <bool Batch>
report race_sent_datagrams(io::reactor_kind kind, long bouts) {
    arena in(kind, bouts);
    {
        letters on(in);
        in.ready();
        constexpr long filling = -2;
        while (in.next()) {
            const long number = in.bout();
            while (::send(on.near.handle(), &filling, sizeof filling, MSG_DONTWAIT) > 0) {
            }
            in.fight(sends_one(on, number, Batch, in.words), [&] {
                for (long came = 0; !in.over() && came != number;)
                    if ((came = on.arrived()) == number) on.got = number;
            });
            for (long came; (came = on.arrived()) != -1;)
                if (came == number) on.got = number;
            if (in.words.ended) in.check((on.got == number) == in.words.won, "sent and reported differ");
            on.got = -1;
        }
    }
    return in.finish();
}

}  // namespace

const std::vector<race>& stream_races() {
    using enum how_to_read;
    static const std::vector<race> all{
        {"recv", &race_reads<plain>},
        {"recv_lease", &race_reads<lease>},
        {"recv_and_recv_lease", &race_reads<plain, lease>},
        {"recv_into_pipe", &race_reads<pipe>},
        {"send", &race_sends<how_to_send::plain, 1000>},
        {"send_large", &race_sends<how_to_send::plain, 30'000>},
        {"send_all", &race_sends<how_to_send::all, 1000>},
        {"send_all_large", &race_sends<how_to_send::all, 30'000>},
        {"send_all_tcp", &race_sends<how_to_send::all, 1000, family::tcp>},
        {"send_all_parts", &race_sends<how_to_send::gathered, 1000>},
        {"send_all_parts_large", &race_sends<how_to_send::gathered, 30'000>},
        {"accept", &race_accepts},
        {"connect", &race_connects},
        {"ready_to_read", &race_polls_for_bytes},
        {"ready_to_write", &race_polls_for_room},
        {"recv_from", &race_datagrams<false>},
        {"recv_batch", &race_datagrams<true>},
        {"send_to", &race_sent_datagrams<false>},
        {"send_batch", &race_sent_datagrams<true>},
    };
    return all;
}

}  // namespace co_wq::storm
