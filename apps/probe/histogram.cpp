#include "probe/histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace co_wq::probe {
namespace {

constexpr std::size_t parts = 1024;         // of each power of two
constexpr std::size_t first_octave_bits = 11;  // below 2^11 every value has its own bucket

}  // namespace

std::size_t histogram::bucket_of(std::uint64_t value) noexcept {
    value = std::min(value, value_max);
    const auto width = static_cast<std::size_t>(std::bit_width(value));
    const std::size_t shift = width > first_octave_bits ? width - first_octave_bits : 0;
    return shift * parts + static_cast<std::size_t>(value >> shift);
}

std::uint64_t histogram::bucket_end(std::size_t bucket) noexcept {
    if (bucket < 2 * parts) return bucket;
    const std::size_t shift = bucket / parts - 1;
    return ((std::uint64_t{bucket - shift * parts} + 1) << shift) - 1;
}

void histogram::add(std::uint64_t value) {
    const std::size_t bucket = bucket_of(value);
    if (bucket >= counts_.size()) counts_.resize(bucket + 1);
    ++counts_[bucket];
    ++count_;
    min_ = std::min(min_, value);
    max_ = std::max(max_, value);
    sum_ += static_cast<double>(value);
}

void histogram::merge(const histogram& other) {
    if (other.counts_.size() > counts_.size()) counts_.resize(other.counts_.size());
    for (std::size_t i = 0; i < other.counts_.size(); ++i) counts_[i] += other.counts_[i];
    count_ += other.count_;
    min_ = std::min(min_, other.min_);
    max_ = std::max(max_, other.max_);
    sum_ += other.sum_;
}

void histogram::clear() noexcept {
    std::ranges::fill(counts_, 0u);
    count_ = 0;
    min_ = ~std::uint64_t{0};
    max_ = 0;
    sum_ = 0;
}

std::uint64_t histogram::at(double percent) const noexcept {
    if (count_ == 0) return 0;
    const double wanted = std::ceil(static_cast<double>(count_) * std::clamp(percent, 0.0, 100.0) / 100.0 - 1e-9);
    const std::uint64_t rank = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(std::max(wanted, 1.0)), 1, count_);
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
        seen += counts_[i];
        if (seen >= rank) return i == bucket_of(value_max) ? max_ : std::min(bucket_end(i), max_);
    }
    return max_;
}

}  // namespace co_wq::probe
