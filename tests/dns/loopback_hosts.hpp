// Addresses of this machine that accept, refuse or swallow connections, on one port.
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "io/backend/native_address.hpp"
#include "io/socket.hpp"
#include "sync/deadline.hpp"

namespace co_wq::net::dns::test {

inline result<io::socket> listen_at(io::event_loop& loop, const char* host, std::uint16_t port, int backlog = 64) {
    const auto where = io::socket_address::parse(host, port).value();
    const auto handle = loop.reactor().calls().open_listener(where, backlog, false);
    if (!handle) return std::unexpected(handle.error());
    return io::socket(loop, *handle, io::descriptor_kind::listener);
}

// Takes a port without listening, so that nobody else can: connects are refused.
inline result<io::socket> refuse_at(io::event_loop& loop, const char* host, std::uint16_t port) {
    const io::native_address where = io::to_native(io::socket_address::parse(host, port).value());
    const auto handle = loop.reactor().calls().open_stream(
        where.storage.ss_family == AF_INET6 ? io::address_family::ipv6 : io::address_family::ipv4);
    if (!handle) return std::unexpected(handle.error());
    io::socket made(loop, *handle, io::descriptor_kind::other);
    if (::bind(*handle, reinterpret_cast<const sockaddr*>(&where.storage), where.length) != 0)
        return fail(errc::address_in_use);
    return made;
}

// One port on several addresses of this machine: where connects succeed, and where they are refused.
struct listeners {
    std::vector<io::socket> sockets;
    std::uint16_t port = 0;
};

inline listeners listen_on(io::event_loop& loop, std::vector<const char*> hosts,
                           std::vector<const char*> refusing = {}) {
    for (int attempt = 0; attempt < 100; ++attempt) {
        listeners made;
        auto add = [&made](result<io::socket> one) {
            if (!one) return;
            made.port = one->local_address()->port();
            made.sockets.push_back(std::move(*one));
        };
        for (const char* host : hosts) add(listen_at(loop, host, made.port));
        for (const char* host : refusing) add(refuse_at(loop, host, made.port));
        if (made.sockets.size() == hosts.size() + refusing.size()) return made;
    }
    ADD_FAILURE() << "no port is free on all addresses";
    return {};
}

inline task<bool> connects_soon(io::event_loop& loop, io::socket_address where, std::vector<io::socket>& kept) {
    const auto handle = loop.reactor().calls().open_stream(where.family());
    kept.emplace_back(loop, *handle, io::descriptor_kind::stream);
    auto connect = [](io::socket& one, io::socket_address to) -> task<result<void>> {
        co_return co_await one.connect(to);
    };
    const result<void> done = co_await with_timeout(std::chrono::milliseconds(20), connect(kept.back(), where));
    co_return done.has_value();
}

// An address where connects neither succeed nor fail: a listener whose queue is full.
struct black_hole {
    std::vector<io::socket> sockets;
    static task<void> open(io::event_loop& loop, const char* host, std::uint16_t port, black_hole& out) {
        result<io::socket> listener = listen_at(loop, host, port, 0);
        EXPECT_TRUE(listener.has_value());
        const auto where = listener->local_address().value();
        out.sockets.push_back(std::move(*listener));
        for (int i = 0; i < 64; ++i) {
            const bool made = co_await connects_soon(loop, where, out.sockets);
            if (!made) co_return;
        }
        ADD_FAILURE() << "the queue never fills";
    }
};

}  // namespace co_wq::net::dns::test
