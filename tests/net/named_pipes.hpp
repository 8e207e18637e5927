// Named pipes for tests: names that nobody else has, connected pairs, and peers that know nothing of this library.
#pragma once

#include <windows.h>
// words of 16-bit compilers
#undef near
#undef far

#include <array>
#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "io/reactors.hpp"
#include "net/named_pipe.hpp"
#include "sync/deadline.hpp"
#include "task/scope.hpp"
#include "task/when.hpp"
#include "task/yield.hpp"

namespace co_wq::net::test {

using namespace std::chrono_literals;

inline std::string new_pipe_name() {
    static std::atomic<int> number{0};
    return R"(\\.\pipe\co_wq_)" + std::to_string(::GetCurrentProcessId()) + "_" + std::to_string(number++);
}

struct pipe_pair {
    named_pipe_stream near, far;
};

inline task<pipe_pair> connected_pipes(io::event_loop& loop, const named_pipe_listener& listener, std::string name) {
    result<named_pipe_stream> near = co_await named_pipe_stream::connect(loop, name);
    EXPECT_TRUE(near.has_value()) << near.error().message();
    result<named_pipe_stream> far = co_await listener.accept();
    EXPECT_TRUE(far.has_value()) << far.error().message();
    co_return pipe_pair{std::move(*near), std::move(*far)};
}

// near has connected, far was accepted.
inline task<pipe_pair> make_pipes(io::event_loop& loop) {
    const std::string name = new_pipe_name();
    const result<named_pipe_listener> listener = named_pipe_listener::bind(loop, name);
    EXPECT_TRUE(listener.has_value()) << listener.error().message();
    pipe_pair made = co_await connected_pipes(loop, *listener, name);
    co_return made;
}

// Until nothing more goes in. How many bytes went.
inline task<std::size_t> fill_pipe(io::socket& to) {
    static std::array<std::byte, 10'000> block{};
    io::descriptor& entry = *to.where().entry;
    std::size_t sent = 0;
    for (int quiet = 0; quiet < 5; ++quiet) {
        for (;;) {
            op_slot::io_payload all{block.data(), block.size(), entry.index};
            const std::int32_t went = to.loop().reactor().attempt(entry, op_kind::send, io::op_detail::plain, all);
            if (went <= 0) break;
            sent += static_cast<std::size_t>(went);
            quiet = 0;
        }
        (void)co_await sleep_for(1ms);
    }
    co_return sent;
}

template <class Stream>
task<std::size_t> read_to_the_end(Stream& from) {
    std::vector<std::byte> block(30'000);
    std::size_t all = 0;
    for (;;) {
        const result<std::size_t> got = co_await from.recv(block);
        EXPECT_TRUE(got.has_value()) << got.error().message();
        if (!got || *got == 0) co_return all;
        all += *got;
    }
}

inline task<std::string> read_text(named_pipe_stream& from) {
    std::byte into[200];
    const result<std::size_t> got = co_await from.recv(into);
    if (!got) co_return got.error().message();
    co_return std::string(as_text(const_bytes(into).first(*got)));
}

}  // namespace co_wq::net::test
