// Small pieces of work, each done a number of times: what instructions_test.py counts the instructions of.
//
//   counts_work NAME N
#include <array>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>

#include "http/h1/request_parser.hpp"
#include "io/event_loop.hpp"
#include "net/tcp.hpp"
#include "sync/channel.hpp"
#include "sync/deadline.hpp"
#include "sync/mutex.hpp"
#include "task/scope.hpp"
#include "task/when.hpp"
#include "task/yield.hpp"

namespace co_wq {
namespace {

void require(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "counts_work: wrong result: %s\n", what);
    std::exit(1);
}

struct place {
    io::event_loop& loop;
    net::tcp_stream near, far;
};

[[gnu::noinline]] task<long> add_one(long x) { co_return x + 1; }
task<void> nothing() { co_return; }
task<void> yield_once() { co_await yield(); }

task<void> awaits(place&, long n) {
    long sum = 0;
    for (long i = 0; i < n; ++i) {
        const long more = co_await add_one(i);
        sum += more;
    }
    require(sum == n * (n + 1) / 2, "the sum");
}

task<void> spawns(place& at, long n) {
    counting_scope scope(at.loop);
    for (long i = 0; i < n; ++i) {
        scope.spawn(nothing(), "child");
        co_await scope.join();
    }
}

task<void> yields(place&, long n) {
    for (long i = 0; i < n; ++i) co_await yield();
}

task<void> locks(place&, long n) {
    mutex guarded;
    for (long i = 0; i < n; ++i) {
        auto held = co_await guarded.lock();
        require(held.has_value(), "the lock");
    }
}

task<void> pairs(place&, long n) {
    for (long i = 0; i < n; ++i) (void)co_await when_all(add_one(i), add_one(i));
}

task<void> timeouts(place&, long n) {
    for (long i = 0; i < n; ++i) co_await with_timeout(std::chrono::seconds(100), yield_once());
}

task<void> receive_nothing(const net::tcp_stream& from) {
    std::array<std::byte, 16> room;
    const result<std::size_t> got = co_await from.recv(room);
    require(!got && got.error() == errc::stopped, "nothing comes");
}
task<void> cancels(place& at, long n) {
    for (long i = 0; i < n; ++i) (void)co_await when_any(receive_nothing(at.near), yield_once());
}

// n messages of 64 bytes, each answered.
task<void> answer(const net::tcp_stream& peer, long n) {
    std::array<std::byte, 64> room;
    for (long i = 0; i < n; ++i) {
        const result<std::size_t> got = co_await peer.recv(room);
        require(got && *got == room.size(), "the server receives");
        const result<void> sent = co_await peer.send_all(room);
        require(sent.has_value(), "the server sends");
    }
}
task<void> ask(const net::tcp_stream& peer, long n) {
    std::array<std::byte, 64> room{};
    for (long i = 0; i < n; ++i) {
        const result<void> sent = co_await peer.send_all(room);
        require(sent.has_value(), "the client sends");
        const result<std::size_t> got = co_await peer.recv(room);
        require(got && *got == room.size(), "the client receives");
    }
}
task<void> echoes(place& at, long n) { (void)co_await when_all(ask(at.near, n), answer(at.far, n)); }

// A request as browsers send it.
task<void> heads(place&, long n) {
    constexpr std::string_view text =
        "GET http://example.com/path/to/page?with=query HTTP/1.1\r\nHost: example.com\r\n"
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Firefox/115.0\r\n"
        "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\n"
        "Accept-Encoding: gzip, deflate, br\r\nConnection: keep-alive\r\nCookie: session=0123456789abcdef\r\n\r\n";
    http::h1::request_parser parser;
    for (long i = 0; i < n; ++i) {
        const_bytes left = std::as_bytes(std::span(text));
        for (auto seen = http::h1::event::need_more; seen != http::h1::event::body_end;) {
            const http::h1::step done = parser.parse(left);
            left = left.subspan(done.consumed);
            seen = done.what;
            require(seen != http::h1::event::error && seen != http::h1::event::need_more, "the request is read");
        }
    }
    co_return;
}

struct piece {
    std::string_view name;
    task<void> (*work)(place&, long);
};
constexpr piece pieces[] = {{"await", &awaits},   {"spawn", &spawns}, {"yield", &yields},
                            {"lock", &locks},     {"pair", &pairs},   {"timeout", &timeouts},
                            {"cancel", &cancels}, {"echo", &echoes},  {"head", &heads}};

task<void> run(io::event_loop& loop, const piece& what, long n) {
    auto listener = net::tcp_listener::bind(loop, io::socket_address::loopback(0));
    require(listener.has_value(), "a listener");
    const auto where = listener->local_address();
    auto near = co_await net::tcp_stream::connect(loop, *where);
    auto far = co_await listener->accept();
    require(near && far, "a connection");
    place at{loop, std::move(*near), std::move(*far)};
    co_await what.work(at, 100);  // what is made once
    co_await what.work(at, n);
}

}  // namespace
}  // namespace co_wq

int main(int count, char** words) {
    using namespace co_wq;
    for (const piece& each : pieces) {
        if (count != 3 || each.name != words[1]) continue;
        io::event_loop loop({.reactor = io::reactor_kind::epoll});
        loop.run(run(loop, each, std::atol(words[2])));
        return 0;
    }
    std::fprintf(stderr, "usage: counts_work NAME N\n");
    return 2;
}
