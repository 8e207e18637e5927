#include "shadow.hpp"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace model {
namespace {

void* zeroed_pages(std::size_t bytes, int sharing) noexcept {
    void* pages = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages != MAP_FAILED) return pages;
    std::perror("model: mmap");
    std::_Exit(2);
}

}  // namespace

void region::cover(std::uintptr_t begin, std::size_t bytes) noexcept {
    begin_ = begin & ~std::uintptr_t{7};
    bytes_ = bytes + (begin - begin_);
    const std::size_t count = bytes_ / 8 + 1;
    granules_ = static_cast<granule*>(zeroed_pages(count * sizeof(granule), MAP_PRIVATE));
    hot_ = static_cast<bool*>(zeroed_pages(count, MAP_SHARED));
}

granule& region::at(std::uintptr_t address, std::uint64_t epoch) noexcept {
    granule& one = granules_[(address - begin_) / 8];
    if (one.epoch != epoch) {
        one.epoch = epoch;
        one.split = one.freed = false;
        std::memset(one.atoms, 0, sizeof one.atoms);
        std::memset(&one.cells[0], 0, sizeof one.cells[0]);
    }
    return one;
}

void heap::prepare() noexcept { begin_ = reinterpret_cast<std::uintptr_t>(zeroed_pages(bytes, MAP_PRIVATE)); }

void* heap::allocate(std::size_t size, std::size_t alignment, const void* from) noexcept {
    if (alignment < 16) alignment = 16;
    const std::size_t place = (top_ + sizeof(header) + alignment - 1) & ~(alignment - 1);
    if (place + size > bytes) return nullptr;
    top_ = place + size;
    ++live_;
    auto* block = reinterpret_cast<header*>(begin_ + place - sizeof(header));
    *block = {size, from, newest_, false};
    newest_ = block;
    return reinterpret_cast<void*>(begin_ + place);
}

heap::verdict heap::release(void* memory, std::size_t& size) noexcept {
    auto& block = *(static_cast<header*>(memory) - 1);
    size = block.size;
    if (reinterpret_cast<std::uintptr_t>(memory) - begin_ < kept_) return verdict::kept;
    if (block.freed) return verdict::twice;
    block.freed = true;
    --live_;
    return verdict::freed;
}

const void* heap::leaked_by() const noexcept {
    for (const header* one = newest_; one; one = one->before)
        if (!one->freed) return one->from;
    return nullptr;
}

}  // namespace model
