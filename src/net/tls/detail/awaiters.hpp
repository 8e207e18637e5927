// What a tls::stream's operations return. Each enters OpenSSL when it is tried: at once, or when the socket is ready.
#pragma once

#include "io/buffer.hpp"
#include "io/io_awaiter.hpp"

namespace co_wq::net::tls::detail {

class session;

// Base of them: an operation whose attempt is the session's.
class session_awaiter : public io::io_awaiter {
public:
    template <task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> waiting) noexcept {
        begin();
        io_awaiter& base = *this;
        const bool waits = base.await_suspend(waiting);
        if (!waits) began();
        return waits;
    }

protected:
    enum class way : std::uint8_t { handshake, fill, lend, write };
    session_awaiter(const awaiter_ops& ops, session& of, way what, bytes into, std::size_t size) noexcept;

    // The result of an operation; the session is looked at only when it has just made the attempt.
    result<std::uint32_t> take() noexcept;

private:
    void begin() noexcept;
    void began() noexcept;

    session& session_;
    bytes memory_;
    std::size_t size_;
    way way_;
};

class handshake_awaiter final : public session_awaiter {
public:
    explicit handshake_awaiter(session& of) noexcept : session_awaiter(ops, of, way::handshake, {}, 0) {}
    result<void> await_resume() noexcept {
        const result<std::uint32_t> got = take();
        if (!got) return std::unexpected(got.error());
        return {};
    }

private:
    static constexpr awaiter_ops ops{"TLS handshake", nullptr, nullptr, nullptr, &describe};
};

class recv_awaiter final : public session_awaiter {
public:
    recv_awaiter(session& of, bytes into) noexcept : session_awaiter(ops, of, way::fill, into, 0) {}
    result<std::size_t> await_resume() noexcept { return take(); }

private:
    static constexpr awaiter_ops ops{"TLS recv", nullptr, nullptr, nullptr, &describe};
};

class recv_lease_awaiter final : public session_awaiter {
public:
    recv_lease_awaiter(session& of, std::size_t size) noexcept : session_awaiter(ops, of, way::lend, {}, size) {}
    result<io::lease> await_resume() noexcept;

private:
    static constexpr awaiter_ops ops{"TLS recv into a lease", nullptr, nullptr, nullptr, &describe};
};

class send_awaiter final : public session_awaiter {
public:
    // Only read from.
    send_awaiter(session& of, const_bytes data) noexcept
        : session_awaiter(ops, of, way::write, {const_cast<std::byte*>(data.data()), data.size()}, 0) {}
    result<void> await_resume() noexcept {
        const result<std::uint32_t> got = take();
        if (!got) return std::unexpected(got.error());
        return {};
    }

private:
    static constexpr awaiter_ops ops{"TLS send", nullptr, nullptr, nullptr, &describe};
};

}  // namespace co_wq::net::tls::detail
