// How races are tried.
#pragma once

// How often: fewer times under a sanitizer.
inline constexpr int rounds(int full) {
#if defined(CO_WQ_SANITIZED)
    return full / 10 + 1;
#else
    return full;
#endif
}

// How long the second party of a race waits, in steps; adapts until either party wins about every other time.
class race_window {
public:
    int steps() const { return steps_; }
    void note(bool too_early) { steps_ += too_early ? steps_ / 8 + 1 : -(steps_ / 8 + (steps_ > 0)); }

private:
    int steps_ = 8;
};
