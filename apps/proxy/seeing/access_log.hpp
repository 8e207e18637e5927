// access_log: lines from event loops to a file, by a thread of its own.
//
// For:        one line per request, from every loop, without making any of them wait.
// Guarantees: a lane's write copies the line into the lane's ring and returns; it takes no lock but, at most once in
//             gather_time, the one that wakes the writer, which nobody holds while working (and when half of the ring
//             is full). A line that finds no room
//             is dropped and counted. Lines of one lane keep their order and are whole; those of several lanes mix.
//             When the file takes nothing (disk full, reader slow), what is in the rings waits and is tried again
//             every retry_time; that is told once, and so is its end, with the number of lines dropped meanwhile.
//             reopen() ends the old file with a whole line and begins the new one with the next: none is lost, none
//             is written twice. A line whose beginning alone fitted on a full disk is whole in the new file.
//             If the new file cannot be opened, the old one is kept, and that is told.
// Threads:    a lane: its loop's own. Everything else: any.
// Lifetime:   outlives those who write to its lanes. close() (and the destructor) writes what is there, for as long as
//             it is told; a thread that a hanging disk holds is left behind with its memory.
// Errors:     those of os::append_file::open.
//
//   auto log = access_log::open("access.log");
//   access_log::lane& mine = (*log)->add_lane();
//   mine.write("one line\n");
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "base/result.hpp"

namespace co_wq::proxy {

namespace detail {
struct access_writer;
}

class access_log {
public:
    static constexpr std::chrono::milliseconds gather_time{10};  // lines that come within it are written together
    static constexpr std::chrono::milliseconds retry_time{100};
    static constexpr std::size_t lane_bytes = 1 << 20;

    class lane {
    public:
        lane(detail::access_writer& writer, std::size_t bytes);
        // The line ends with its line feed. False: there was no room.
        bool write(std::string_view line) noexcept;
        // A line that could not even be made.
        void drop() noexcept { dropped_.store(dropped() + 1, std::memory_order_relaxed); }
        std::uint64_t dropped() const noexcept { return dropped_.load(std::memory_order_relaxed); }
        std::uint64_t written() const noexcept { return accepted_.load(std::memory_order_relaxed); }

    private:
        friend struct detail::access_writer;
        detail::access_writer& writer_;
        const std::size_t capacity_;  // a power of two
        std::unique_ptr<char[]> ring_;
        // the writer's
        std::uint64_t read_ = 0;        // written to the file up to here
        alignas(64) std::atomic<std::uint64_t> tail_{0};  // the loop may overwrite what is before: whole lines
        // the loop's
        alignas(64) std::atomic<std::uint64_t> head_{0};
        std::atomic<std::uint64_t> dropped_{0};
        std::atomic<std::uint64_t> accepted_{0};
    };

    // path: "-" is standard output. bytes: of each lane, a power of two.
    static result<std::unique_ptr<access_log>> open(const std::string& path, std::size_t bytes = lane_bytes);
    access_log(const access_log&) = delete;
    ~access_log();

    lane& add_lane();
    // Opens the path again, soon. Does not wait.
    void reopen() noexcept;
    // No lane is written to any more. Returns how many lines could not be written within patience.
    std::uint64_t close(std::chrono::milliseconds patience) noexcept;

    // Lines that are lost: they found no room, or could not be written until the end.
    std::uint64_t dropped() const noexcept;
    // Times that the file began to refuse.
    std::uint64_t failures() const noexcept;

private:
    explicit access_log(std::shared_ptr<detail::access_writer> writer);
    std::shared_ptr<detail::access_writer> writer_;
    std::thread thread_;
};

}  // namespace co_wq::proxy
