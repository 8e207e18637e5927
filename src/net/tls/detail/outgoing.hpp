// outgoing: what OpenSSL has written and the socket has not taken yet.
//
// For:        OpenSSL never waits to write: a record goes to the socket at once, and what finds no room is kept here.
// So
//             a record is taken whole or not begun, a cancelled send leaves no half of one inside OpenSSL, and a read
//             that has to answer (an alert, a key update) does not need the writer's place.
// Guarantees: what is kept goes out first and in order. It is at most one record and what reads answered, bounded by
//             kept_bytes_max. No memory is held while it is empty.
// Threads:    the loop's own.
#pragma once

#include <optional>
#include <vector>

#include "io/socket.hpp"

namespace co_wq::net::tls::detail {

class outgoing {
public:
    static constexpr std::size_t kept_bytes_max = 256 * 1024;

    explicit outgoing(io::socket& to) noexcept : to_(to) {}

    // False: too much is kept already; nothing of it was taken.
    bool put(const_bytes data);
    // Sends what is kept, as far as there is room.
    void flush() noexcept;

    bool empty() const noexcept { return begin_ == kept_.size(); }
    std::size_t kept_bytes() const noexcept { return kept_.size() - begin_; }
    // What it holds for them: twice kept_bytes_max at most.
    std::size_t memory_bytes() const noexcept { return kept_.capacity(); }
    // Nothing gets out any more; what is put is dropped.
    const std::optional<error>& failure() const noexcept { return failure_; }

private:
    std::size_t send_now(const_bytes data) noexcept;

    io::socket& to_;
    std::vector<std::byte> kept_;
    std::size_t begin_ = 0;
    std::optional<error> failure_;
};

}  // namespace co_wq::net::tls::detail
