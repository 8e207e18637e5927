// shadow: what is known about each byte that threads of a model share: who wrote and read it last, whether it was
// freed, which atomics lie there. And the heap that models allocate from.
//
// How:      two tracked regions, the heap and the program's static data, each with one granule per 8 bytes. A granule
//           counts for one schedule only (epoch), so starting a schedule costs nothing.
// Threads:  none: the threads of a model are fibers of one.
#pragma once

#include <cstddef>
#include <cstdint>

namespace model {

inline constexpr unsigned max_threads = 4;
using stamp = std::size_t;  // Relacy's time

struct cell {
    stamp wrote[max_threads];
    stamp read[max_threads];
};

struct atom;

struct granule {
    std::uint64_t epoch;
    bool split;  // accessed in parts: a cell per byte; else the first cell stands for all eight
    bool freed;
    atom* atoms[8];  // by offset
    cell cells[8];
};

class region {
public:
    void cover(std::uintptr_t begin, std::size_t bytes) noexcept;
    bool holds(std::uintptr_t address) const noexcept { return address - begin_ < bytes_; }
    granule& at(std::uintptr_t address, std::uint64_t epoch) noexcept;
    // Survives the schedule, the search, and a fork.
    bool& hot(std::uintptr_t address) noexcept { return hot_[(address - begin_) / 8]; }

private:
    std::uintptr_t begin_ = 0;
    std::size_t bytes_ = 0;
    granule* granules_ = nullptr;
    bool* hot_ = nullptr;
};

// A heap without reuse: an address names one object in a schedule, and is the same in every schedule that makes the
// same allocations. What is allocated before the first schedule stays.
class heap {
public:
    static constexpr std::size_t bytes = 4 << 20;

    void prepare() noexcept;
    void keep() noexcept { kept_ = top_, live_ = 0, newest_ = nullptr; }
    void reset() noexcept { top_ = kept_, live_ = 0, newest_ = nullptr; }
    void* allocate(std::size_t size, std::size_t alignment, const void* from) noexcept;  // null: exhausted
    enum class verdict { freed, twice, kept };
    verdict release(void* memory, std::size_t& size) noexcept;
    bool holds(const void* memory) const noexcept { return reinterpret_cast<std::uintptr_t>(memory) - begin_ < bytes; }
    // Allocated before the first schedule.
    bool kept(std::uintptr_t address) const noexcept { return address - begin_ < kept_; }
    std::size_t live() const noexcept { return live_; }
    // Of what this schedule has not freed: who allocated it.
    const void* leaked_by() const noexcept;
    std::uintptr_t begin() const noexcept { return begin_; }

private:
    struct header {
        std::size_t size;
        const void* from;
        header* before;  // allocated before this one
        bool freed;
    };
    header* newest_ = nullptr;
    std::uintptr_t begin_ = 0;
    std::size_t top_ = 0;
    std::size_t kept_ = 0;
    std::size_t live_ = 0;
};

}  // namespace model
