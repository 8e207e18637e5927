// histogram: counts of values, log-linear: exact below 2,048, and within one part in 1,024 above.
//
// For:        latencies in nanoseconds, from 1 ns to 2 hours, three significant digits each.
// Guarantees: add is O(1) and allocates only when a value lies above all before it. Histograms merge without loss.
//             Smallest and largest value, count and sum are exact.
// Threads:    one at a time; one per loop, merged at the end.
// Source:     the layout of HdrHistogram (Tene): powers of two, each in 1,024 equal parts.
//
//   latency.add(1'250'000);
//   latency.at(99.9);      // a value that 99.9 % of those added do not exceed
#pragma once

#include <cstdint>
#include <vector>

namespace co_wq::probe {

class histogram {
public:
    // Larger ones are counted as this; max() still has them as they were.
    static constexpr std::uint64_t value_max = (std::uint64_t{1} << 43) - 1;

    void add(std::uint64_t value);
    void merge(const histogram& other);
    void clear() noexcept;

    std::uint64_t count() const noexcept { return count_; }
    std::uint64_t min() const noexcept { return count_ ? min_ : 0; }
    std::uint64_t max() const noexcept { return max_; }
    double mean() const noexcept { return count_ ? sum_ / static_cast<double>(count_) : 0; }

    // percent: 0 to 100. The smallest of its bucket's upper bound and max() such that at least so many percent of the
    // values lie at or below it: the value of rank ceil(count * percent / 100), at most one part in 1,024 too large.
    // 0 without values.
    std::uint64_t at(double percent) const noexcept;

    // Where a value is counted, and the largest value that is counted there.
    static std::size_t bucket_of(std::uint64_t value) noexcept;
    static std::uint64_t bucket_end(std::size_t bucket) noexcept;

private:
    std::vector<std::uint64_t> counts_;
    std::uint64_t count_ = 0;
    std::uint64_t min_ = ~std::uint64_t{0};
    std::uint64_t max_ = 0;
    double sum_ = 0;
};

}  // namespace co_wq::probe
