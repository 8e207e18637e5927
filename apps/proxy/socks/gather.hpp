// gather: collects a message whose length its own beginning tells, and takes no byte more than it has.
//
// For:        handshakes of a few hundred bytes: whoever waits for our answer before it says more gets it, and what
// comes
//             behind a message stays where it is.
// Requires:   of the parser: a function of the bytes so far. need_more names a total that the message has at least and
//             that is more than what is there; it and the total of done depend on nothing but the message. It bounds
//             the message itself.
// Guarantees: from is left with the first byte that the message does not have. However the bytes are cut, the outcome
// is
//             the same. wrong is told at the first byte that makes it so, as far as the parser looks.
// Threads:    plain functions.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "base/assert.hpp"
#include "base/bytes.hpp"

namespace co_wq::proxy::socks {

enum class progress : std::uint8_t { need_more, done, wrong };

struct step {
    progress what = progress::need_more;
    std::size_t size = 0;  // need_more: bytes that the message has at least; done: bytes that it has
};

constexpr step need(std::size_t size) noexcept { return {progress::need_more, size}; }
constexpr step done(std::size_t size) noexcept { return {progress::done, size}; }
inline constexpr step wrong{progress::wrong, 0};

// have: of this message, empty at first. parse(const_bytes) -> step.
template <class Parse>
step gather(std::string& have, const_bytes& from, Parse&& parse) {
    for (;;) {
        const step now = parse(as_bytes(have));
        if (now.what != progress::need_more) return now;
        CO_WQ_ASSERT(now.size > have.size(), "who needs more says how much");
        const std::size_t taken = std::min(now.size - have.size(), from.size());
        if (taken == 0) return now;
        have.append(as_text(from.first(taken)));
        from = from.subspan(taken);
    }
}

}  // namespace co_wq::proxy::socks
