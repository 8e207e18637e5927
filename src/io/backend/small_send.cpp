#include "io/backend/small_send.hpp"

#include <cerrno>
#include <cstring>
#include <new>
#include <span>

#include "base/pool.hpp"

namespace co_wq::io {
namespace {

std::span<const const_bytes> parts_of(const op_slot::io_payload& io) noexcept {
    return {static_cast<const const_bytes*>(io.data), io.length};
}

std::size_t size_of(op_detail detail, const op_slot::io_payload& io) noexcept {
    if (detail != op_detail::gather) return io.length;
    std::size_t total = 0;
    for (const const_bytes part : parts_of(io)) total += part.size();
    return total;
}

}  // namespace

bool small_send::fits(op_kind kind, op_detail detail, const op_slot::io_payload& io) noexcept {
    if (kind != op_kind::send) return false;
    if (detail != op_detail::plain && detail != op_detail::all && detail != op_detail::gather) return false;
    const std::size_t size = size_of(detail, io);
    return size > 0 && size <= bytes_max;
}

small_send& small_send::put_into(op_slot::io_payload& io, op_detail detail) {
    const std::size_t size = size_of(detail, io);
    auto* copy = ::new (pool_allocate(sizeof(small_send) + size)) small_send(size);
    std::byte* to = copy->memory();
    if (detail == op_detail::gather) {
        for (const const_bytes part : parts_of(io)) {
            if (!part.empty()) std::memcpy(to, part.data(), part.size());
            to += part.size();
        }
    } else {
        std::memcpy(to, io.data, size);
    }
    io.data = copy;
    return *copy;
}

void small_send::take_from(op_slot::io_payload& io) noexcept {
    small_send& copy = of(io);
    io.data = nullptr;
    pool_free(&copy, sizeof(small_send) + copy.size_);
}

std::int32_t small_send::result(op_detail detail, std::int32_t last_word) const noexcept {
    if (detail == op_detail::plain && sent_ > 0) return static_cast<std::int32_t>(sent_);
    if (sent_ == size_) return 0;
    return last_word < 0 ? last_word : -ECANCELED;
}

}  // namespace co_wq::io
