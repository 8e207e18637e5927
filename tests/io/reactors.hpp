// Every backend, for tests that must hold on all of them.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#ifdef _WIN32
#include "io/backend/reactor_iocp.hpp"
#include "support/unruly_port.hpp"
#endif
#include "io/backend/reactor_sim.hpp"
#include "io/event_loop.hpp"
#include "io/socket.hpp"
#include "sync/sleep.hpp"

namespace co_wq::io::test {

struct backend {
    reactor_kind kind;
    std::uint64_t seed;  // of the simulation; of iocp: not 0, an unruly port
};

// A reactor that is not the system's plain one, by its seed.
inline std::unique_ptr<reactor> made_by_seed(void* context, op_slab& slots) {
    const backend& which = *static_cast<backend*>(context);
#ifdef _WIN32
    if (which.kind == reactor_kind::iocp)
        return std::make_unique<reactor_iocp>(slots, std::make_unique<unruly_port>(which.seed));
#endif
    if (which.kind != reactor_kind::sim) throw std::logic_error("this reactor has no seed");
    sim_options options;
    options.seed = which.seed;
    return std::make_unique<reactor_sim>(slots, options);
}

inline std::string name_of_case(const testing::TestParamInfo<backend>& info) {
    std::string text = name_of(info.param.kind);
    if (info.param.seed != 0) text += "_seed_" + std::to_string(info.param.seed);
    return text;
}

// A loop on the backend of the test's parameter.
class loop_under_test {
public:
    explicit loop_under_test(backend which, chaos_options chaos = {}) : which_(which) {
        const loop_options options{.reactor = which.kind, .name = "test", .chaos = chaos};
        loop_ = which.seed != 0 ? std::make_unique<event_loop>(options, &made_by_seed, &which_)
                                : std::make_unique<event_loop>(options);
    }
    event_loop& operator*() noexcept { return *loop_; }
    event_loop* operator->() noexcept { return loop_.get(); }
    void destroy() { loop_.reset(); }

private:
    backend which_;
    std::unique_ptr<event_loop> loop_;
};

class on_every_reactor : public testing::TestWithParam<backend> {
protected:
    on_every_reactor() : loop(GetParam()) {}
    // Nothing is in flight and the books are balanced, as soon as the kernel has let go of what was closed.
    void expect_quiet() {
        loop->run(let_go(*loop, lent_at_rest_));
        const op_counters& count = loop->slots().counters();
        const std::size_t standing = loop->slots().live();
        EXPECT_EQ(count.started, count.finished + standing);
        EXPECT_EQ(loop->reactor().buffers().lent(), lent_at_rest_);
    }
    static task<void> let_go(event_loop& here, std::size_t at_rest) {
        for (int i = 0; i < 5000 && here.reactor().buffers().lent() != at_rest; ++i)
            (void)co_await sleep_for(std::chrono::milliseconds(1));
    }
    void SetUp() override { lent_at_rest_ = loop->reactor().buffers().lent(); }

    loop_under_test loop;
    std::size_t lent_at_rest_ = 0;
};

// Those of the system that the tests run on.
#ifdef _WIN32
inline constexpr std::array kernel_reactors{reactor_kind::iocp};
inline constexpr std::array unruly_kernels{backend{reactor_kind::iocp, 1}, backend{reactor_kind::iocp, 2}};
#else
inline constexpr std::array kernel_reactors{reactor_kind::epoll, reactor_kind::uring};
inline constexpr std::array<backend, 0> unruly_kernels{};
#endif

inline std::vector<backend> kernel_backends() {
    std::vector<backend> all;
    for (const reactor_kind kind : kernel_reactors) all.push_back({kind, 0});
    return all;
}
inline std::vector<backend> all_backends() {
    std::vector<backend> all = kernel_backends();
    all.insert(all.end(), unruly_kernels.begin(), unruly_kernels.end());
    for (const std::uint64_t seed : {1, 2, 3}) all.push_back({reactor_kind::sim, seed});
    return all;
}
inline const auto every_reactor = testing::ValuesIn(all_backends());
inline const auto every_kernel = testing::ValuesIn(kernel_backends());

struct connection {
    socket near, far;
};

inline result<socket> listen_on_loopback(event_loop& loop, int backlog = 128) {
    result<native_handle> handle = loop.reactor().calls().open_listener(socket_address::loopback(0), backlog, false);
    if (!handle) return std::unexpected(handle.error());
    return socket(loop, *handle, descriptor_kind::listener);
}

inline task<result<socket>> connect_to(event_loop& loop, socket_address where) {
    result<native_handle> handle = loop.reactor().calls().open_stream(where.family());
    if (!handle) co_return std::unexpected(handle.error());
    socket made(loop, *handle, descriptor_kind::stream);
    result<void> connected = co_await made.connect(where);
    if (!connected) co_return std::unexpected(connected.error());
    co_return made;
}

// A connected pair through a listener.
inline task<connection> make_connection(event_loop& loop) {
    result<socket> listener = listen_on_loopback(loop);
    EXPECT_TRUE(listener.has_value());
    result<socket> near = co_await connect_to(loop, *listener->local_address());
    EXPECT_TRUE(near.has_value());
    result<socket> far = co_await listener->accept();
    EXPECT_TRUE(far.has_value());
    co_return connection{std::move(*near), std::move(*far)};
}

}  // namespace co_wq::io::test
