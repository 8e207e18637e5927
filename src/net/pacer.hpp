// pacer: how fast the directions of a pump may go.
//
// For:        limits of bandwidth, of one tunnel or of many that share one. Asked by net::pump after each read.
// Requires:   it outlives the pump. Its answers are of the moment: they may change while a pump is under way.
// Threads:    as its implementation says; a pump asks on its loop's thread.
//
//   class half_a_mebibyte : public net::pacer { ... };
//   co_await net::pump(client, origin, {.pace = &pacer});
#pragma once

#include <cstddef>

#include "base/clock.hpp"

namespace co_wq::net {

class pacer {
public:
    // The most to read at once, at least 1. A read may be a little larger where blocks have their sizes.
    virtual std::size_t piece_max() const noexcept = 0;
    // So much was read, and has been passed on; forth: from the first stream to the second. How long to wait before the
    // next read of this direction.
    virtual duration took(bool forth, std::size_t size, time_point now) noexcept = 0;

protected:
    ~pacer() = default;
};

}  // namespace co_wq::net
