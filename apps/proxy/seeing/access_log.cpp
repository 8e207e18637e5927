#include "proxy/seeing/access_log.hpp"

#include <algorithm>
#include <bit>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <limits>
#include <mutex>
#include <vector>

#include "base/assert.hpp"
#include "base/log.hpp"
#include "base/os/append_file.hpp"

namespace co_wq::proxy {

namespace detail {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

// What the thread and the access_log share. Whoever leaves last frees it.
struct access_writer {
    access_writer(std::string where, os::append_file opened, std::size_t bytes)
        : path(std::move(where)), file(std::move(opened)), lane_bytes(bytes) {}

    void wake() noexcept {
        const std::scoped_lock guard(lock);
        changed.notify_one();
    }
    std::uint64_t sum(std::atomic<std::uint64_t> access_log::lane::* what) noexcept {
        const std::scoped_lock guard(lock);
        std::uint64_t all = 0;
        for (const access_log::lane& one : lanes) all += (one.*what).load(std::memory_order_relaxed);
        return all;
    }
    std::uint64_t dropped() noexcept { return sum(&access_log::lane::dropped_); }
    std::uint64_t accepted() noexcept { return sum(&access_log::lane::accepted_); }

    void run();
    void wait_for_work();
    bool drain();
    bool drain_lane(access_log::lane& one);
    void settle(access_log::lane& one, std::string_view put);
    void reopen();
    void refused(error why);
    void taken();
    void tell_drops();

    const std::string path;
    os::append_file file;  // the thread's
    const std::size_t lane_bytes;

    std::mutex lock;
    std::condition_variable changed, over;
    bool ended = false;  // the thread has; under lock
    steady_clock::time_point give_up = steady_clock::time_point::max();  // under lock
    std::deque<access_log::lane> lanes;  // under lock to add one or to find them
    std::atomic<bool> pending{false};    // there may be lines that the thread has not seen
    std::atomic<bool> hurry{false};      // a ring is half full
    std::atomic<bool> closing{false};
    std::atomic<bool> reopening{false};
    std::atomic<std::uint64_t> lines_out{0};
    std::atomic<std::uint64_t> failures{0};

    // the thread's
    std::vector<access_log::lane*> known;
    std::size_t next_lane = 0;  // where a refusal stopped: the line there may be half written
    bool failing = false;
    bool unfinished = false;  // there was no room for all
    std::uint64_t drops_told = 0;
    steady_clock::time_point told_at{};
};

void access_writer::wait_for_work() {
    std::unique_lock guard(lock);
    const auto urgent = [&] { return closing.load() || reopening.load(); };
    if (failing && closing) {
        changed.wait_for(guard, 10ms);
    } else if (failing) {
        changed.wait_for(guard, access_log::retry_time, urgent);
    } else if (!unfinished) {
        changed.wait(guard, [&] { return pending.load() || urgent(); });
        changed.wait_for(guard, access_log::gather_time, [&] { return urgent() || hurry.load(); });
    }
    for (std::size_t index = known.size(); index < lanes.size(); ++index) known.push_back(&lanes[index]);
}

void access_writer::run() {
    os::block_file_size_signal();
    for (;;) {
        wait_for_work();
        const bool last = closing;
        hurry.exchange(false);
        pending.exchange(false);  // before the rings are read: who writes later wakes us again
        if (reopening.exchange(false)) {
            (void)drain();
            reopen();
        }
        unfinished = !drain();
        tell_drops();
        if (!last) continue;
        const std::scoped_lock guard(lock);
        if (unfinished && steady_clock::now() < give_up) continue;
        ended = true;
        over.notify_all();
        return;
    }
}

// False: the file takes no more now.
bool access_writer::drain() {
    for (std::size_t count = 0; count < known.size(); ++count) {
        if (!drain_lane(*known[next_lane])) return false;
        next_lane = (next_lane + 1) % known.size();
    }
    return true;
}

bool access_writer::drain_lane(access_log::lane& one) {
    const std::uint64_t head = one.head_.load();
    while (one.read_ != head) {
        const std::size_t at = one.read_ & (one.capacity_ - 1);
        const std::size_t size = std::min<std::uint64_t>(head - one.read_, one.capacity_ - at);
        const std::string_view piece(one.ring_.get() + at, size);
        const result<std::size_t> put = file.append(piece, access_log::retry_time);
        if (!put) refused(put.error());
        if (!put || *put == 0) return false;
        if (failing) taken();
        settle(one, piece.substr(0, *put));
    }
    return true;
}

// The loop gets back whole lines only: the beginning of one may have to be written again, to another file.
void access_writer::settle(access_log::lane& one, std::string_view put) {
    const std::size_t end = put.rfind('\n');
    if (end != std::string_view::npos) {
        lines_out += static_cast<std::uint64_t>(std::count(put.begin(), put.end(), '\n'));
        one.tail_.store(one.read_ + end + 1, std::memory_order_release);  // last: from here on it is the loop's again
    }
    one.read_ += put.size();
}

void access_writer::reopen() {
    if (path == "-") return;
    result<os::append_file> opened = os::append_file::open(path);
    if (!opened) {
        log::warn("access log {}: cannot be opened again: {}: the old file goes on", path, opened.error().message());
        return;
    }
    const bool same = opened->same_file_as(file);
    file = std::move(*opened);
    if (same) return;
    for (access_log::lane* one : known) one->read_ = one->tail_.load(std::memory_order_relaxed);
}

void access_writer::refused(error why) {
    if (std::exchange(failing, true)) return;
    ++failures;
    drops_told = dropped();
    log::warn("access log {}: {}: tried again until it goes on; lines beyond {} KiB are dropped", path, why.message(),
              lane_bytes / 1024);
}

void access_writer::taken() {
    failing = false;
    const std::uint64_t all = dropped();
    log::warn("access log {}: is written again; {} lines were dropped", path, all - std::exchange(drops_told, all));
}

void access_writer::tell_drops() {
    const std::uint64_t all = dropped();
    if (failing || all == drops_told || steady_clock::now() - told_at < 10s) return;
    log::warn("access log {}: {} lines dropped: it takes them too slowly", path, all - std::exchange(drops_told, all));
    told_at = steady_clock::now();
}

}  // namespace detail

access_log::lane::lane(detail::access_writer& writer, std::size_t bytes)
    : writer_(writer), capacity_(bytes), ring_(std::make_unique_for_overwrite<char[]>(bytes)) {
    CO_WQ_REQUIRE(std::has_single_bit(bytes), "a lane's size is a power of two");
}

bool access_log::lane::write(std::string_view line) noexcept {
    const std::uint64_t head = head_.load(std::memory_order_relaxed);
    const std::uint64_t used = head - tail_.load(std::memory_order_acquire);
    if (line.size() > capacity_ - used) {
        drop();
        return false;
    }
    const std::size_t at = head & (capacity_ - 1);
    const std::size_t first = std::min(line.size(), capacity_ - at);
    std::memcpy(ring_.get() + at, line.data(), first);
    std::memcpy(ring_.get(), line.data() + first, line.size() - first);
    accepted_.store(accepted_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    head_.store(head + line.size());  // before pending is asked: one of us two sees what the other did
    if (!writer_.pending.load() && !writer_.pending.exchange(true)) writer_.wake();
    if (used > capacity_ / 2 && !writer_.hurry.load() && !writer_.hurry.exchange(true)) writer_.wake();
    return true;
}

result<std::unique_ptr<access_log>> access_log::open(const std::string& path, std::size_t bytes) {
    result<os::append_file> opened = os::append_file::open(path);
    if (!opened) return std::unexpected(opened.error());
    auto writer = std::make_shared<detail::access_writer>(path, std::move(*opened), bytes);
    return std::unique_ptr<access_log>(new access_log(std::move(writer)));
}

access_log::access_log(std::shared_ptr<detail::access_writer> writer)
    : writer_(std::move(writer)), thread_([kept = writer_] { kept->run(); }) {}

access_log::~access_log() { (void)close(std::chrono::milliseconds(0)); }

access_log::lane& access_log::add_lane() {
    const std::scoped_lock guard(writer_->lock);
    return writer_->lanes.emplace_back(*writer_, writer_->lane_bytes);
}

void access_log::reopen() noexcept {
    writer_->reopening = true;
    writer_->wake();
}

std::uint64_t access_log::close(std::chrono::milliseconds patience) noexcept {
    if (thread_.joinable()) {
        std::unique_lock guard(writer_->lock);
        writer_->give_up = std::chrono::steady_clock::now() + patience;
        writer_->closing = true;
        writer_->changed.notify_one();
        writer_->over.wait_for(guard, patience + std::chrono::seconds(1), [&] { return writer_->ended; });
        const bool ended = writer_->ended;
        guard.unlock();
        ended ? thread_.join() : thread_.detach();
    }
    return writer_->accepted() - writer_->lines_out.load();
}

std::uint64_t access_log::dropped() const noexcept { return writer_->dropped(); }

std::uint64_t access_log::failures() const noexcept { return writer_->failures.load(); }

}  // namespace co_wq::proxy
