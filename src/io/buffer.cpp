#include "io/buffer.hpp"

namespace co_wq::io {

buffer_pool::~buffer_pool() {
    CO_WQ_ASSERT(lent_ == 0, "a buffer pool dies after the last lease");
    trim();
}

std::size_t buffer_pool::class_of(std::size_t size) noexcept {
    std::size_t chosen = 0;
    while (chosen + 1 < class_bytes.size() && class_bytes[chosen] < size) ++chosen;
    return chosen;
}

std::byte* buffer_pool::take_raw(std::size_t size, std::uint32_t& capacity) {
    const std::size_t chosen = class_of(size);
    capacity = class_bytes[chosen];
    void* memory = nullptr;
    if (free_[chosen].empty()) {
        memory = ::operator new(capacity, alignment_);
    } else {
        memory = free_[chosen].back();
        free_[chosen].pop_back();
        kept_bytes_ -= capacity;
    }
    ++lent_;
    return static_cast<std::byte*>(memory);
}

lease buffer_pool::take(std::size_t size) {
    std::uint32_t capacity = 0;
    std::byte* memory = take_raw(size, capacity);
    return {*this, memory, capacity};
}

void buffer_pool::give_back(void* memory, std::uint32_t capacity) noexcept {
    CO_WQ_ASSERT(lent_ > 0, "only what was lent comes back");
    --lent_;
    if (kept_bytes_ + capacity > kept_bytes_max) return ::operator delete(memory, alignment_);
    try {
        free_[class_of(capacity)].push_back(memory);
    } catch (const std::bad_alloc&) {  // no memory to remember it
        return ::operator delete(memory, alignment_);
    }
    kept_bytes_ += capacity;
}

void buffer_pool::trim() noexcept {
    for (auto& blocks : free_) {
        for (void* memory : blocks) ::operator delete(memory, alignment_);
        blocks.clear();
    }
    kept_bytes_ = 0;
}

}  // namespace co_wq::io
