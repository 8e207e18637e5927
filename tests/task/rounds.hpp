// How races are tried.
#pragma once

#include <atomic>
#include <chrono>

// How often: fewer times under a sanitizer, and where each thread is made by a request to another process (Wine).
inline constexpr int rounds(int full) {
#if defined(CO_WQ_SANITIZED) || defined(_WIN32)
    return full / 10 + 1;
#else
    return full;
#endif
}

// The rounds of one race, and how long its second party waits, in steps: adapted until either party wins about
// every other time. On a machine that is too busy to try all rounds, a time limit ends it.
class race_window {
public:
    explicit race_window(int most) : most_(most) {}

    bool next() {
        if (done_ == most_ || (done_ % 64 == 0 && std::chrono::steady_clock::now() > limit_)) return false;
        ++done_;
        return true;
    }
    int round() const { return done_ - 1; }
    int done() const { return done_; }

    int steps() const { return steps_; }
    void wait() const {
        for (int step = 0; step < steps_; ++step) waited_on.load();
    }
    void note(bool too_early) { steps_ += too_early ? steps_ / 8 + 1 : -(steps_ / 8 + (steps_ > 0)); }

private:
    static inline std::atomic<int> waited_on = 0;  // static: loads of a local one are optimised away
    int most_;
    int done_ = 0;
    int steps_ = 8;
    std::chrono::steady_clock::time_point limit_ = std::chrono::steady_clock::now() + std::chrono::seconds(5);
};
