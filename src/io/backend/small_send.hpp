// small_send: a message that a backend hands to its kernel whole, as a copy in pool memory.
//
// For:        completion backends: all small messages of a turn go out with one system call. Larger ones are written
//             by us, where the call is lost in the copying.
// Guarantees: the kernel sees the copy and never the caller's memory; a frame that dies leaves the copy behind.
// Threads:    the loop's own. Lifetime: from put_into to take_from, which is called at the operation's final.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.hpp"
#include "io/reactor.hpp"

namespace co_wq::io {

class small_send {
public:
    static constexpr std::size_t bytes_max = 2'000;

    // Whether the operation is a send of at least one byte and few enough for a copy.
    static bool fits(op_kind kind, op_detail detail, const op_slot::io_payload& io) noexcept;
    // Copies what the payload names, and makes the payload name the copy.
    static small_send& put_into(op_slot::io_payload& io, op_detail detail);
    static small_send& of(const op_slot::io_payload& io) noexcept { return *static_cast<small_send*>(io.data); }
    // Frees the copy.
    static void take_from(op_slot::io_payload& io) noexcept;

    const_bytes left() const noexcept { return {memory() + sent_, std::size_t(size_) - sent_}; }
    void advance(std::size_t count) noexcept { sent_ += static_cast<std::uint32_t>(count); }
    // What the operation ends with after the kernel's last word: what awaiters of this kind of send expect, and when
    // the message went out only in part, the reason.
    std::int32_t result(op_detail detail, std::int32_t last_word) const noexcept;

private:
    explicit small_send(std::size_t size) noexcept : size_(static_cast<std::uint32_t>(size)) {}
    std::byte* memory() const noexcept {
        return const_cast<std::byte*>(reinterpret_cast<const std::byte*>(this)) + sizeof(small_send);
    }
    std::uint32_t size_;
    std::uint32_t sent_ = 0;
};

}  // namespace co_wq::io
