// What is left of a send that a socket took in part; the same on every system.
#pragma once

#include <algorithm>
#include <cstddef>

#include "io/reactor.hpp"

namespace co_wq::io {

// Sends io.data as often as it takes. once(): one call; how many bytes, or why not.
template <class Once>
std::int32_t send_to_the_end(op_slot::io_payload& io, Once&& once) noexcept {
    while (io.length > 0) {
        const std::int32_t sent = once();
        if (sent < 0) return sent;
        io.data = static_cast<std::byte*>(io.data) + sent;
        io.length -= static_cast<std::uint32_t>(sent);
    }
    return 0;
}

// The same of io.length parts at io.data. once(parts): one call for as many of them as it takes; the first is not
// empty.
template <class Once>
std::int32_t send_parts_to_the_end(op_slot::io_payload& io, Once&& once) noexcept {
    auto* parts = static_cast<const_bytes*>(io.data);
    for (;;) {
        while (io.length > 0 && parts->empty()) {
            ++parts;
            --io.length;
        }
        io.data = parts;
        if (io.length == 0) return 0;
        const std::int32_t sent = once(parts);
        if (sent < 0) return sent;
        auto left = static_cast<std::size_t>(sent);
        for (std::size_t i = 0; left > 0; ++i) {
            const std::size_t step = std::min(left, parts[i].size());
            parts[i] = parts[i].subspan(step);
            left -= step;
        }
    }
}

}  // namespace co_wq::io
