#include "io/backend/uring_buffers.hpp"

#include <sys/mman.h>

namespace co_wq::io {

namespace {
constexpr std::size_t ring_bytes = reactor_uring::ring_blocks * sizeof(io_uring_buf);
}

std::unique_ptr<reactor_uring::buffer_ring> reactor_uring::buffer_ring::make(io_uring& ring, buffer_pool& pool) {
    void* memory = ::mmap(nullptr, ring_bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
    if (memory == MAP_FAILED) return nullptr;
    auto* shared = static_cast<io_uring_buf_ring*>(memory);
    io_uring_buf_ring_init(shared);
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<std::uint64_t>(memory);
    registration.ring_entries = blocks;
    registration.bgid = group;
    if (io_uring_register_buf_ring(&ring, &registration, 0) != 0) {
        ::munmap(memory, ring_bytes);
        return nullptr;
    }
    std::unique_ptr<buffer_ring> made(new buffer_ring(ring, pool, shared));
    for (unsigned id = 0; id < blocks; ++id) made->offer(id);
    return made;
}

reactor_uring::buffer_ring::~buffer_ring() {
    io_uring_unregister_buf_ring(&ring_, group);
    for (std::byte* block : memory_) pool_.give_back(block, block_bytes);
    ::munmap(shared_, ring_bytes);
}

void reactor_uring::buffer_ring::offer(unsigned id) {
    std::uint32_t capacity = 0;
    memory_[id] = pool_.take_raw(block_bytes, capacity);
    io_uring_buf_ring_add(shared_, memory_[id], block_bytes, static_cast<unsigned short>(id),
                          io_uring_buf_ring_mask(blocks), 0);
    io_uring_buf_ring_advance(shared_, 1);
}

std::byte* reactor_uring::buffer_ring::take(unsigned id) {
    std::byte* filled = memory_[id];
    offer(id);
    return filled;
}

}  // namespace co_wq::io
