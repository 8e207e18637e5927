// The world of the lifetime scenario: wires, synchronisation objects, victims, and what must hold of them.
//
// Everything that a victim waits for is written down (waiting), everything that moves is counted, and every frame that
// lives is too (frame_mark). So when nothing can happen any more, each wait that is left must be a rightful one, and
// when all is torn down, nothing may be left.
#pragma once

#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <vector>

#include "io/socket.hpp"
#include "sim/driver.hpp"
#include "sim/report.hpp"
#include "sync/channel.hpp"
#include "sync/event.hpp"
#include "sync/mutex.hpp"
#include "sync/semaphore.hpp"
#include "task/callback_wq.hpp"
#include "task/scope.hpp"
#include "task/stop_token.hpp"

namespace co_wq::sim::lifetime {

// One end of a stream. What it sends is a pattern of its identity and position, so that each byte can be checked.
struct wire_end {
    io::socket socket;
    io::native_handle handle = io::no_handle;
    std::uint16_t port = 0;
    unsigned loop = 0;
    unsigned id = 0;
    wire_end* peer = nullptr;
    std::uint64_t received = 0;
    bool reading = false;     // a victim uses this direction
    bool writing = false;
    bool broken = false;      // a reset was sent or seen: bytes may be lost
    bool closed = false;
    bool shut = false;
    std::uint64_t may_still_go = 0;  // when it was shut: bytes accepted by then, and room
};

constexpr std::byte pattern(unsigned id, std::uint64_t position) noexcept {
    return static_cast<std::byte>(id * 57 + position * 7 + (position >> 8) * 13);
}

// A value in a channel: which one, and that it dies once.
class parcel {
public:
    parcel(int& living, std::uint32_t number) noexcept : living_(&living), number_(number) { ++*living_; }
    parcel(parcel&& other) noexcept : living_(std::exchange(other.living_, nullptr)), number_(other.number_) {}
    parcel& operator=(parcel&& other) noexcept {
        std::swap(living_, other.living_);
        std::swap(number_, other.number_);
        return *this;
    }
    ~parcel() {
        if (living_) --*living_;
    }
    std::uint32_t number() const noexcept { return number_; }

private:
    int* living_;
    std::uint32_t number_;
};

struct world;

// A frame that lives. In every victim's frame, first.
class frame_mark {
public:
    explicit frame_mark(world& where) noexcept;
    frame_mark(const frame_mark&) = delete;
    frame_mark& operator=(const frame_mark&) = delete;
    ~frame_mark();
    // Called after each suspension: whoever goes on is alive.
    void require_alive() const { check(magic_ == alive, "a destroyed coroutine was resumed"); }

private:
    static constexpr std::uint64_t alive = 0x616c697665ull;
    volatile std::uint64_t magic_ = alive;
    world& where_;
};

enum class wait_kind : std::uint8_t { io, time, event, permit, lock, send, recv, first_of, elsewhere };

// What a victim waits for, from before its co_await until it goes on or dies.
class waiting : public list_hook<waiting> {
public:
    waiting(world& where, wait_kind what, const void* on) noexcept;
    // On a socket.
    waiting(world& where, op_kind kind, io::direction way, const wire_end& on) noexcept;
    waiting(world& where, io::native_handle listener) noexcept;
    ~waiting();
    // Why this wait should have ended long ago; null: it is rightful.
    const char* overdue() const;

private:
    world& where_;
    wait_kind what_;
    op_kind kind_ = op_kind::none;
    io::direction way_ = io::direction::read;
    io::native_handle handle_ = io::no_handle;
    const void* on_ = nullptr;
};

struct victim {
    victim(workqueue& queue, unsigned where) : scope(queue), loop(where) {}
    counting_scope scope;
    unsigned loop;
    bool cancelled = false;
    bool must_end = true;   // everything it does can be cancelled
};

struct lane {
    explicit lane(std::size_t capacity) : values(capacity) {}
    channel<parcel> values;
    std::uint32_t next_number = 0;
    std::uint64_t sent = 0;      // whose send succeeded
    std::uint64_t received = 0;
    std::uint32_t newest = 0;    // number received last, plus one
};

struct permits {
    explicit permits(std::int64_t count) : gate(count), total(count) {}
    semaphore gate;
    std::int64_t total;
    std::int64_t held = 0;
};

struct room {
    mutex door;
    int inside = 0;
};

struct strand {
    explicit strand(executor& runs_on) : queue(runs_on, "strand") {}
    callback_wq queue;
    bool busy = false;
};

struct world {
    world(const request& what, unsigned loop_count);
    ~world();

    void note(std::string_view what, std::int64_t first = 0, std::int64_t second = 0) {
        drive.clock().note(what, first, second);
    }
    void add_wire(unsigned near_loop, unsigned far_loop);
    void close_end(wire_end& end, bool reset);
    wire_end& end(unsigned number) { return ends[number % ends.size()]; }
    victim& new_victim(unsigned loop);
    io::event_loop& loop(unsigned index) { return drive.loop(index); }

    void check_cancelled(); // some time after the last cancellation
    void check_waits();     // when nothing can happen any more
    void check_bytes();
    void end_loop(unsigned index);
    void tear_down();
    void check_empty();
    outcome result();

    seeded_random dice;  // the script's; the network has its own
    int frames = 0;
    int parcels = 0;
    intrusive_list<waiting> waits;
    std::deque<inplace_stop_source> stops;
    std::deque<event> flags;
    std::deque<permits> gates;
    std::deque<room> rooms;
    std::deque<lane> lanes;
    driver drive;
    std::deque<wire_end> ends;
    std::vector<io::socket> listeners;
    std::deque<bool> accepting;  // by loop: a victim uses the listener
    std::vector<std::unique_ptr<strand>> strands;
    std::list<std::pair<unsigned, completion>> tokens;  // owed to an await_completion, on which loop's strand
    std::deque<std::unique_ptr<victim>> victims;
    std::uint64_t steps = 0;
};

}  // namespace co_wq::sim::lifetime
