// buffer_pool, lease: memory that the loop lends to an operation, and the operation to whoever reads its result.
//
// For:        receiving without a buffer per connection: an idle stream holds none, a busy one holds one only
//             between the bytes' arrival and their use.
// Guarantees: a lease returns its memory when it dies, whoever holds it then. Blocks come from size classes and
//             are kept for reuse up to a bound; beyond it they go back to the system.
// Threads:    the loop's own. Lifetime: the pool outlives its leases (asserted).
//
//   result<lease> got = co_await stream.recv_lease();
//   use(got->data());     // got dies: the block is back in the pool
#pragma once

#include <array>
#include <cstdint>
#include <new>
#include <utility>
#include <vector>

#include "base/assert.hpp"
#include "base/bytes.hpp"

namespace co_wq::io {

class buffer_pool;

class lease {
public:
    lease() noexcept = default;
    lease(lease&& other) noexcept
        : pool_(std::exchange(other.pool_, nullptr)),
          memory_(std::exchange(other.memory_, nullptr)),
          capacity_(std::exchange(other.capacity_, 0)),
          begin_(std::exchange(other.begin_, 0)),
          size_(std::exchange(other.size_, 0)) {}
    lease& operator=(lease&& other) noexcept {
        if (this != &other) {
            reset();
            pool_ = std::exchange(other.pool_, nullptr);
            memory_ = std::exchange(other.memory_, nullptr);
            capacity_ = std::exchange(other.capacity_, 0);
            begin_ = std::exchange(other.begin_, 0);
            size_ = std::exchange(other.size_, 0);
        }
        return *this;
    }
    ~lease() { reset(); }

    // The bytes that are in use.
    bytes data() const noexcept { return {memory_ + begin_, size_}; }
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    explicit operator bool() const noexcept { return memory_ != nullptr; }
    // All of the block, and how much of it is in use from its start.
    bytes block() const noexcept { return {memory_, capacity_}; }
    void set_size(std::size_t size) noexcept {
        CO_WQ_REQUIRE(size <= capacity_, "a lease holds at most its capacity");
        begin_ = 0;
        size_ = static_cast<std::uint32_t>(size);
    }
    // Drops bytes from the front.
    void consume(std::size_t count) noexcept {
        CO_WQ_REQUIRE(count <= size_, "only bytes that are there can be consumed");
        begin_ += static_cast<std::uint32_t>(count);
        size_ -= static_cast<std::uint32_t>(count);
    }
    void reset() noexcept;

private:
    friend class buffer_pool;
    lease(buffer_pool& pool, std::byte* memory, std::uint32_t capacity) noexcept
        : pool_(&pool), memory_(memory), capacity_(capacity) {}
    buffer_pool* pool_ = nullptr;
    std::byte* memory_ = nullptr;
    std::uint32_t capacity_ = 0;
    std::uint32_t begin_ = 0;
    std::uint32_t size_ = 0;
};

class buffer_pool {
public:
    static constexpr std::array<std::uint32_t, 4> class_bytes{4 * 1024, 16 * 1024, 64 * 1024, 256 * 1024};
    static constexpr std::size_t kept_bytes_max = 4 * 1024 * 1024;

    // alignment: of its blocks, in bytes, a power of two.
    explicit buffer_pool(std::size_t alignment = 64) noexcept : alignment_(static_cast<std::align_val_t>(alignment)) {}
    buffer_pool(const buffer_pool&) = delete;
    buffer_pool& operator=(const buffer_pool&) = delete;
    ~buffer_pool();

    // A block of at least `size` bytes (at most the largest class), with nothing in use.
    lease take(std::size_t size);
    // The same as raw memory, for operations that carry it in their slot; give it back with adopt or give_back.
    std::byte* take_raw(std::size_t size, std::uint32_t& capacity);
    lease adopt(void* memory, std::uint32_t capacity) noexcept {
        return {*this, static_cast<std::byte*>(memory), capacity};
    }
    void give_back(void* memory, std::uint32_t capacity) noexcept;

    std::size_t lent() const noexcept { return lent_; }
    std::size_t kept_bytes() const noexcept { return kept_bytes_; }
    // Frees what is kept.
    void trim() noexcept;

private:
    static std::size_t class_of(std::size_t size) noexcept;
    std::array<std::vector<void*>, class_bytes.size()> free_;
    const std::align_val_t alignment_;
    std::size_t lent_ = 0;
    std::size_t kept_bytes_ = 0;
};

inline void lease::reset() noexcept {
    if (!memory_) return;
    pool_->give_back(std::exchange(memory_, nullptr), capacity_);
    begin_ = size_ = capacity_ = 0;
}

}  // namespace co_wq::io
