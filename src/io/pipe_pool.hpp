// pipe_pool: the few pipes that spliced directions borrow while they are busy.
//
// For:        net::pump. Pipes are scarce (pipe-user-pages-soft) and cost two descriptors: an idle tunnel holds none.
// Guarantees: a bound on pipes in all; take refuses beyond it, and the caller copies instead.
// Threads:    the loop's own.
#pragma once

#include <vector>

#include "io/reactor.hpp"

namespace co_wq::io {

class pipe_pool {
public:
    static constexpr std::uint32_t capacity_bytes = 256 * 1024;
    static constexpr std::size_t open_max = 128;
    static constexpr std::size_t kept_max = 16;

    // An empty pipe; no_buffers when there are enough of them.
    result<pipe_pair> take(socket_calls& calls) noexcept;
    // Keeps an empty pipe for the next; closes one that still holds bytes.
    void give_back(socket_calls& calls, pipe_pair pipe) noexcept;
    void clear(socket_calls& calls) noexcept;

private:
    std::vector<pipe_pair> kept_;
    std::size_t open_ = 0;
};

}  // namespace co_wq::io
