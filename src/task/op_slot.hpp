// op_slot: the block that stands for one operation in flight, and the slab that owns all blocks of a loop.
//
// For:        everything that something outside the loop's own thread can name: kernel operations, waits that
//             another thread may end, results of remote work.
// Why:        a completion may come after its waiter died. So nothing outside ever holds a pointer into a
//             coroutine frame: it holds a tag (index and generation) or, while the block is armed, the block
//             itself, whose memory is the slab's until the slab goes. The link from block to waiter is a plain
//             pointer that only the owning thread reads or writes.
//
//   free --fill--> filled --arm--> armed ---------------> final --post--> posted --run--> fired --> free (generation +
//   1)
//          | abandon                | \--cancel--> cancel_requested --^   | abandon: waiter = null, the drain frees it
//          v                        \--abandon--> orphaned --final--> free
//         free
//
// Guarantees: every armed slot ends in exactly one final and at most one fire: started = finished + in flight.
//             A stale tag finds nothing and is counted. Abandoning resumes nobody and allocates nothing.
// Threads:    the owner of the slab, except where a function says otherwise.
// Lifetime:   slots live until the slab is destroyed, which requires that none is in flight.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>
#include <vector>

#include "base/compiler.hpp"
#include "base/os/kernel_memory.hpp"
#include "task/flight_recorder.hpp"
#include "task/worknode.hpp"

namespace co_wq {

class op_waiter;
class op_slab;
class workqueue;

// The name of one use of a slot. 0 names nothing.
struct op_tag {
    std::uint32_t index = 0;
    std::uint32_t generation = 0;

    constexpr std::uint64_t to_u64() const noexcept { return std::uint64_t(generation) << 32 | index; }
    static constexpr op_tag from_u64(std::uint64_t word) noexcept {
        return {static_cast<std::uint32_t>(word), static_cast<std::uint32_t>(word >> 32)};
    }
    constexpr explicit operator bool() const noexcept { return generation != 0; }
    friend constexpr bool operator==(op_tag, op_tag) noexcept = default;
};

// One cache line, and another one where the kernel writes to an operation.
class alignas(64) op_slot : public worknode {
public:
    explicit op_slot(std::uint32_t index) noexcept;

    op_tag tag() const noexcept { return {index_, generation_}; }
    op_state state() const noexcept { return state_; }
    op_kind kind() const noexcept { return kind_; }
    op_waiter* waiter() const noexcept { return waiter_; }
    std::int32_t result() const noexcept { return result_; }

    // What the operation works on; the reactor's business.
    struct io_payload {
        void* data;               // borrowed memory or a lease's memory
        std::uint32_t length;     // bytes
        std::uint32_t descriptor;  // index of the descriptor slot
    };
    // Place in the list of a synchronisation object, guarded by that object's lock; next is null when in none.
    struct wait_links {
        op_slot* prev;
        op_slot* next;
    };
    union {
        io_payload io;
        wait_links links;
    };

    // The slab a slot belongs to. Any thread, for a slot that is not free.
    op_slab& slab() const noexcept;

private:
    friend class op_slab;
    friend class completion;
    op_waiter* waiter_ = nullptr;
    std::uint32_t generation_ = 1;
    std::uint32_t index_;
    std::int32_t result_ = 0;
    op_state state_ = op_state::free;
    op_kind kind_ = op_kind::none;

public:
    std::uint8_t detail = 0;       // the reactor's business; of a wait: the synchronisation object's, under its lock
    bool held_by_kernel = false;   // the kernel knows the tag
    CO_WQ_NO_UNIQUE_ADDRESS os::kernel_memory kernel;
};
static_assert(sizeof(op_slot) == (std::is_empty_v<os::kernel_memory> ? 64 : 128));

struct op_counters {
    std::uint64_t started = 0;    // armed
    std::uint64_t finished = 0;   // finals seen
    std::uint64_t fired = 0;      // results delivered to a waiter
    std::uint64_t dropped = 0;    // finals nobody waited for any more
    std::uint64_t late = 0;       // finals of cancelled or orphaned operations that still carried a success
    std::uint64_t cancelled = 0;  // cancel requests
    std::uint64_t orphaned = 0;   // waiters that died with their operation armed
    std::uint64_t stale = 0;      // tags that named an earlier use
    std::uint64_t in_flight() const noexcept { return started - finished; }
};

class op_slab {
public:
    // dropped: releases what the result of a slot without a waiter owns (an accepted descriptor, say).
    using drop_function = void (*)(void* context, op_slot& slot) noexcept;

    // serve: an armed I/O slot that was posted as ready has come up in its queue. It calls deliver, or leaves the
    // slot armed when the operation would still block.
    using serve_function = void (*)(void* context, op_slot& slot) noexcept;

    explicit op_slab(workqueue& queue) noexcept : queue_(queue) {}
    op_slab(const op_slab&) = delete;
    op_slab& operator=(const op_slab&) = delete;
    ~op_slab();

    void set_owner(drop_function drop, serve_function serve, void* context) noexcept {
        drop_ = drop;
        serve_ = serve;
        context_ = context;
    }

    // free -> filled. waiter may be null for operations of the reactor's own.
    op_slot& fill(op_kind kind, op_waiter* waiter);
    // filled -> armed
    void arm(op_slot& slot) noexcept;
    // armed -> cancel_requested. False when it was requested before or the final is already here.
    bool request_cancel(op_slot& slot) noexcept;
    // armed, cancel_requested, orphaned -> final -> posted (a waiter is linked) or free (none).
    void finish(op_slot& slot, std::int32_t result) noexcept;
    // armed -> final -> fired, from inside serve: the result goes to the waiter at once.
    void deliver(op_slot& slot, std::int32_t result) noexcept;
    // armed -> final -> free at once, for a completion the reactor consumes itself.
    void retire(op_slot& slot, std::int32_t result) noexcept;
    // The waiter dies: filled -> free, armed -> orphaned, posted -> drained harmlessly later.
    // True: the kernel or another thread may still hold the tag, so the caller should ask it to let go.
    bool abandon(op_slot& slot) noexcept;
    // filled, or armed with nothing outside holding it (an epoll wait, a list on this thread) -> free.
    void withdraw(op_slot& slot) noexcept;

    // Ends an armed wait or remote slot. The caller must own the right to do so exactly once (it took the slot
    // out of a synchronisation object's list, or is the remote work itself). Any thread: the final and the fire
    // happen on the slab's own.
    static void signal(op_slot& slot, std::int32_t result) noexcept;

    // The slab dies although operations are in flight: its memory then stays allocated for ever, because the kernel
    // may still write to what they name.
    void leak_on_purpose() noexcept { leaked_ = true; }

    // For a queue that dies: if node is a slot nobody waits for, ends it.
    static void discard(worknode& node) noexcept;

    // The slot whose node this is; null when it is another kind of node.
    static op_slot* slot_of(worknode& node) noexcept {
        return node.runs(&op_slab::run) ? &static_cast<op_slot&>(node) : nullptr;
    }
    // One of the slots, by any number; null when it is free just now.
    op_slot* pick(std::uint64_t number) noexcept;

    // Null when the tag is stale (counted).
    op_slot* find(op_tag tag) noexcept;

    op_counters& counters() noexcept { return counters_; }
    const op_counters& counters() const noexcept { return counters_; }
    flight_recorder& recorder() noexcept { return recorder_; }
    std::size_t live() const noexcept { return live_; }
    workqueue& queue() noexcept { return queue_; }

    // Calls visit(slot) for every slot that is not free.
    template <class Visit>
    void for_each_live(Visit&& visit) {
        for (chunk* page : chunks_)
            for (std::uint32_t place = 1; place < chunk_slots; ++place)
                if (page->slot(place).state() != op_state::free) visit(page->slot(place));
    }

private:
    friend class op_slot;
    // A chunk is one aligned page: the first place names the slab, slots follow.
    static constexpr std::uint32_t chunk_slots = 4096 / sizeof(op_slot);
    struct alignas(4096) chunk {
        op_slab* slab;
        alignas(sizeof(op_slot)) unsigned char memory[(chunk_slots - 1) * sizeof(op_slot)];
        op_slot& slot(std::uint32_t place) noexcept {
            return *reinterpret_cast<op_slot*>(memory + (place - 1) * sizeof(op_slot));
        }
    };
    static_assert(sizeof(chunk) == 4096);
    // Chunks come several at a time, and are touched one by one as they are needed: an allocator that is asked for one
    // aligned page wastes another one on it.
    static constexpr std::size_t chunks_at_once = 16;

    static void run(worknode& node) noexcept;
    void fire(op_slot& slot) noexcept;
    void release(op_slot& slot) noexcept;
    void move_to(op_slot& slot, op_state next) noexcept {
        slot.state_ = next;
        // before the final another thread may be writing the result (signal)
        recorder_.record(slot.index_, slot.generation_, slot.kind_, next, next < op_state::final ? 0 : slot.result_);
    }
    void grow();
    [[noreturn]] void illegal(const op_slot& slot, const char* what) const noexcept;

    workqueue& queue_;
    op_slot* free_ = nullptr;  // linked through links.next
    std::vector<chunk*> chunks_;
    std::size_t live_ = 0;
    bool leaked_ = false;
    op_counters counters_;
    drop_function drop_ = nullptr;
    serve_function serve_ = nullptr;
    void* context_ = nullptr;
    flight_recorder recorder_;
};

}  // namespace co_wq
