// Two connections with a pump between, and bytes whose order shows.
#pragma once

#include <vector>

#include "io/reactors.hpp"
#include "net/pump.hpp"
#include "sync/sleep.hpp"

namespace co_wq::net::test {

using io::test::connection;
using io::test::make_connection;

class pump_on_every_reactor : public io::test::on_every_reactor {
protected:
    struct ends {
        tcp_stream client, client_side, origin_side, origin;
    };
    // client <-> client_side | pump | origin_side <-> origin
    static task<ends> make_ends(io::event_loop& loop) {
        connection left = co_await make_connection(loop);
        connection right = co_await make_connection(loop);
        co_return ends{tcp_stream(std::move(left.near)), tcp_stream(std::move(left.far)),
                       tcp_stream(std::move(right.near)), tcp_stream(std::move(right.far))};
    }
};

template <class Stream>
task<void> send_pattern(Stream& to, std::size_t size, bool then_end) {
    std::vector<std::byte> block(50'000);
    std::uint32_t x = 7;
    for (std::size_t sent = 0; sent < size;) {
        const std::size_t step = std::min(block.size(), size - sent);
        for (std::size_t i = 0; i < step; ++i)
            block[i] = static_cast<std::byte>((x = x * 1664525u + 1013904223u) >> 24);
        const result<void> done = co_await to.send_all(const_bytes(block).first(step));
        EXPECT_TRUE(done.has_value());
        if (!done) co_return;
        sent += step;
    }
    if (then_end) EXPECT_TRUE(to.shutdown_send().has_value());
}

// Counts bytes that fit the pattern; ends at the end of the stream.
template <class Stream>
task<std::size_t> receive_pattern(Stream& from, duration pause = {}) {
    std::vector<std::byte> block(30'000);
    std::uint32_t x = 7;
    std::size_t good = 0;
    for (;;) {
        if (pause > duration::zero()) co_await sleep_for(pause);
        const result<std::size_t> got = co_await from.recv(block);
        if (!got || *got == 0) co_return good;
        for (std::size_t i = 0; i < *got; ++i)
            if (block[i] == static_cast<std::byte>((x = x * 1664525u + 1013904223u) >> 24)) ++good;
    }
}

}  // namespace co_wq::net::test
