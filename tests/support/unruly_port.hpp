// A completion port between the reactor and Windows' own that does, by a seed, what Windows may do and Wine does not:
// packets come late and in another order, a cancel that was accepted is followed by success, packets come for nothing;
// and what a port must not do at all: packets come twice, also behind an operation that was done at once.
#pragma once

#include <algorithm>
#include <vector>

#include "base/random.hpp"
#include "io/backend/completion_port.hpp"

namespace co_wq::io::test {

struct unruly_counts {
    unsigned late = 0;      // polls that ended with success after their cancel had been accepted
    unsigned doubled = 0;
    unsigned reordered = 0;
};

class unruly_port final : public completion_port {
public:
    unruly_port(std::uint64_t seed, unruly_counts* counts = nullptr)
        : real_(make_completion_port()), random_(seed), counts_(counts) {}

    start_outcome start_poll(os::kernel_memory& operation, std::uint64_t word, std::uint32_t lane, native_handle socket,
                             std::uint32_t events) noexcept override {
        return maybe_late(word, real_->start_poll(operation, word, lane, socket, events));
    }

    bool associate(native_handle pipe) noexcept override { return real_->associate(pipe); }
    start_outcome start_read(os::kernel_memory& operation, std::uint64_t word, native_handle pipe,
                             bytes into) noexcept override {
        forget(operation);
        return maybe_late(word, real_->start_read(operation, word, pipe, into));
    }
    start_outcome start_write(os::kernel_memory& operation, std::uint64_t word, native_handle pipe,
                              const_bytes data) noexcept override {
        forget(operation);
        return maybe_late(word, real_->start_write(operation, word, pipe, data));
    }
    start_outcome start_listen(os::kernel_memory& operation, std::uint64_t word, native_handle pipe) noexcept override {
        forget(operation);
        return maybe_late(word, real_->start_listen(operation, word, pipe));
    }
    bool cancel_on(os::kernel_memory& operation, native_handle pipe) noexcept override {
        if (random_.below(2) == 0) return real_->cancel_on(operation, pipe);
        asked_.push_back({&operation, 0, turn_ + random_.below(4), pipe});
        return true;
    }

    bool cancel(os::kernel_memory& operation, std::uint32_t lane) noexcept override {
        if (random_.below(2) == 0) return real_->cancel(operation, lane);
        asked_.push_back({&operation, lane, turn_ + random_.below(4)});
        return true;
    }

    std::size_t take(std::span<packet> into, std::int64_t limit_ms) noexcept override {
        ++turn_;
        std::erase_if(asked_, [&](const request& each) {
            if (each.at > turn_) return false;
            // not accepted now: it has completed meanwhile, with success
            const bool accepted = each.pipe != no_handle ? real_->cancel_on(*each.operation, each.pipe)
                                                         : real_->cancel(*each.operation, each.lane);
            if (!accepted) count(&unruly_counts::late);
            return true;
        });
        packet fresh[64];
        const bool waits = held_.empty() && asked_.empty();
        const std::size_t came = real_->take(fresh, waits ? limit_ms : 0);
        for (const packet& each : std::span(fresh).first(came)) {
            hold(each);
            if (each.word != 0 && random_.below(4) == 0) hold(each, &unruly_counts::doubled);
        }
        if (random_.below(8) == 0) hold({});
        return give(into);
    }

    void wake() noexcept override { real_->wake(); }

private:
    struct request {
        os::kernel_memory* operation;  // the slab's, as long as the reactor lives
        std::uint32_t lane;
        std::uint64_t at;
        native_handle pipe = no_handle;
    };
    struct held_packet {
        packet what;
        std::uint64_t at;
    };

    // Of what was done at once, a packet comes nevertheless: as the one delivery, or for the slot's next use or none.
    start_outcome maybe_late(std::uint64_t word, start_outcome began) noexcept {
        if (began != start_outcome::done) return began;
        if (random_.below(2) == 0) {
            if (random_.below(4) == 0) hold({word, 0}, &unruly_counts::doubled);
            return began;
        }
        hold({word, 0});
        return start_outcome::pending;
    }
    // What was asked of an earlier use of the memory: on a pipe it would end another write.
    void forget(const os::kernel_memory& operation) noexcept {
        std::erase_if(asked_, [&](const request& each) { return each.operation == &operation; });
    }

    void count(unsigned unruly_counts::* what) noexcept {
        if (counts_) ++(counts_->*what);
    }
    void hold(packet what) noexcept { held_.push_back({what, turn_ + random_.below(3)}); }
    void hold(packet what, unsigned unruly_counts::* because) noexcept {
        count(because);
        hold(what);
    }
    std::size_t give(std::span<packet> into) noexcept {
        std::size_t given = 0;
        for (std::size_t i = 0; i < held_.size() && given < into.size();) {
            if (held_[i].at > turn_) {
                ++i;
                continue;
            }
            if (i > 0) count(&unruly_counts::reordered);
            into[given++] = held_[i].what;
            held_[i] = held_.back();
            held_.pop_back();
        }
        return given;
    }

    std::unique_ptr<completion_port> real_;
    seeded_random random_;
    unruly_counts* counts_;
    std::uint64_t turn_ = 0;
    std::vector<request> asked_;
    std::vector<held_packet> held_;
};

}  // namespace co_wq::io::test
