// seeded_random: numbers that look random and are the same on every machine for the same seed.
//
// For:        simulations, chaos and tests. Never for secrets.
// Source:     xorshift64*, Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled" (2016).
// Threads:    one.
#pragma once

#include <cstdint>

namespace co_wq {

class seeded_random {
public:
    explicit seeded_random(std::uint64_t seed) noexcept : state_(seed * 0x9E3779B97F4A7C15ull + 0x9E3779B9ull) {
        for (int round = 0; round < 4; ++round) (void)next();  // near seeds start far apart
    }
    std::uint64_t next() noexcept {
        state_ ^= state_ >> 12;
        state_ ^= state_ << 25;
        state_ ^= state_ >> 27;
        return state_ * 0x2545F4914F6CDD1Dull;
    }
    std::uint64_t below(std::uint64_t bound) noexcept { return bound ? (next() >> 11) % bound : 0; }
    bool chance(std::uint8_t in_256) noexcept { return (next() >> 56) < in_256; }
    bool one_in(std::uint64_t many) noexcept { return below(many) == 0; }
    // 0 up to, not including, 1
    double fraction() noexcept { return static_cast<double>(next() >> 11) * 0x1p-53; }

private:
    std::uint64_t state_;
};

}  // namespace co_wq
