// A growable run of bytes that is written at its end: where heads are collected and where answers are composed.
//
// For:        the hot paths of parsers and serialisers; what std::string would be without its terminator, its small
//             buffer and its zero-filling.
// Guarantees: appending n bytes costs amortised O(n); clear() keeps the memory, so a connection in steady state does
//             not allocate. Pointers into the buffer hold until the next append that grows it, and across a move.
// Threads:    one at a time.
// Lifetime:   owns its memory; views do not keep it alive.
// Errors:     only std::bad_alloc; whoever appends unbounded input bounds it first (parse_limits).
//
//   byte_buffer out;
//   out.append("HTTP/1.1 200 OK\r\n");
//   stream.send(out.data());
#pragma once

#include <charconv>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "base/assert.hpp"
#include "base/bytes.hpp"

namespace co_wq::http {

class byte_buffer {
public:
    byte_buffer() noexcept = default;
    explicit byte_buffer(std::size_t capacity) { grow(capacity); }
    byte_buffer(byte_buffer&& other) noexcept
        : memory_(std::move(other.memory_)),
          size_(std::exchange(other.size_, 0)),
          capacity_(std::exchange(other.capacity_, 0)) {}
    byte_buffer& operator=(byte_buffer&& other) noexcept {
        memory_ = std::move(other.memory_);
        size_ = std::exchange(other.size_, 0);
        capacity_ = std::exchange(other.capacity_, 0);
        return *this;
    }

    std::size_t size() const noexcept { return size_; }
    std::size_t capacity() const noexcept { return capacity_; }
    bool empty() const noexcept { return size_ == 0; }
    std::string_view text() const noexcept { return {memory_.get(), size_}; }
    const_bytes data() const noexcept { return as_bytes(text()); }

    void append(std::string_view more) {
        if (more.empty()) return;
        char* end = extend(more.size());
        std::memcpy(end, more.data(), more.size());
    }
    void append(const_bytes more) { append(as_text(more)); }
    void append(char one) { *extend(1) = one; }
    void append_decimal(std::uint64_t number) { append_number(number, 10); }
    void append_hex(std::uint64_t number) { append_number(number, 16); }

    // Room for count more bytes, which count as written from now on; the caller fills them.
    char* extend(std::size_t count) {
        if (count > capacity_ - size_) [[unlikely]]
            grow(size_ + count);
        char* end = memory_.get() + size_;
        size_ += count;
        return end;
    }

    void truncate(std::size_t size) noexcept {
        CO_WQ_DEBUG_ASSERT(size <= size_, "truncate only shortens");
        size_ = size;
    }
    void clear() noexcept { size_ = 0; }

    // Empties the buffer and gives back its memory if that is more than keep bytes.
    void reset(std::size_t keep = 0) noexcept {
        size_ = 0;
        if (capacity_ <= keep) return;
        memory_.reset();
        capacity_ = 0;
    }

private:
    void append_number(std::uint64_t number, int base) {
        char digits[20];
        const auto written = std::to_chars(digits, digits + sizeof digits, number, base);
        append(std::string_view(digits, static_cast<std::size_t>(written.ptr - digits)));
    }

    void grow(std::size_t needed) {
        std::size_t capacity = capacity_ < minimum_bytes ? minimum_bytes : capacity_ * 2;
        if (capacity < needed) capacity = needed;
        auto memory = std::make_unique_for_overwrite<char[]>(capacity);
        if (size_ != 0) std::memcpy(memory.get(), memory_.get(), size_);
        memory_ = std::move(memory);
        capacity_ = capacity;
    }

    static constexpr std::size_t minimum_bytes = 256;  // half a typical head: one growth less than from zero

    std::unique_ptr<char[]> memory_;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

}  // namespace co_wq::http
