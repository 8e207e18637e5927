// The provided-buffer ring: pool blocks that the kernel fills on its own.
#pragma once

#include <liburing.h>

#include <vector>

#include "io/backend/reactor_uring.hpp"

namespace co_wq::io {

class reactor_uring::buffer_ring {
public:
    static constexpr unsigned blocks = ring_blocks;
    static constexpr std::uint32_t block_bytes = 16 * 1024;
    static constexpr int group = 0;

    // Null when the kernel has no provided-buffer rings.
    static std::unique_ptr<buffer_ring> make(io_uring& ring, buffer_pool& pool);
    ~buffer_ring();

    // The block the kernel filled, now the caller's; a fresh one takes its place.
    std::byte* take(unsigned id);

private:
    buffer_ring(io_uring& ring, buffer_pool& pool, io_uring_buf_ring* shared) noexcept
        : ring_(ring), pool_(pool), shared_(shared) {}
    void offer(unsigned id);

    io_uring& ring_;
    buffer_pool& pool_;
    io_uring_buf_ring* shared_;
    std::byte* memory_[blocks] = {};
};

// What arrived on a descriptor before anybody asked for it.
struct descriptor_extra {
    struct received {
        std::byte* block;
        std::uint32_t begin;
        std::uint32_t size;
    };
    std::vector<received> bytes;      // oldest first
    std::vector<native_handle> sockets;
    op_tag accept{};
    op_tag receive{};
    std::int32_t accept_failure = 0;  // reported once
    std::int32_t receive_failure = 0;  // reported for good
    bool end_of_stream = false;
    bool stopping = false;            // a cancel of the multishot receive is under way
    static constexpr std::size_t bytes_kept_max = 4, sockets_kept_max = 64;
};

}  // namespace co_wq::io
