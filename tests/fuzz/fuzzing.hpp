// What every fuzz target uses: its input, cut to size, and how it says that a property does not hold.
//
// For:      the targets of this folder. A target is one function, LLVMFuzzerTestOneInput; libFuzzer calls it, or
//           replay_main.cpp for every file of a corpus.
// Errors:   demand() prints what was expected and aborts: that is a crash to whoever runs the target.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace co_wq::fuzz {

// Printable, on one line.
inline std::string shown(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c >= 0x20 && c < 0x7f && c != '\\') {
            out += c;
        } else if (c == '\r' || c == '\n') {
            out += c == '\r' ? "\\r" : "\\n";
        } else {
            char code[5];
            std::snprintf(code, sizeof code, "\\x%02x", static_cast<unsigned char>(c));
            out += code;
        }
    }
    return out;
}

[[noreturn]] inline void fail(std::string_view property, const std::string& readings) {
    std::fprintf(stderr, "\nproperty does not hold: %.*s\n%s\n", static_cast<int>(property.size()), property.data(),
                 readings.c_str());
    std::abort();
}

// readings: text, or a function that makes it; asked only if the property does not hold.
template <class Readings>
void demand(bool holds, std::string_view property, Readings&& readings) {
    if (holds) [[likely]]
        return;
    if constexpr (requires { readings(); })
        fail(property, readings());
    else
        fail(property, std::string(readings));
}

// The input: some bytes that choose, and the rest.
class input {
public:
    input(const std::uint8_t* data, std::size_t size) noexcept : data_(data), size_(size) {}

    // The next byte; 0 when there is none.
    std::uint8_t choice() noexcept { return at_ < size_ ? data_[at_++] : 0; }
    std::string_view rest() const noexcept { return {reinterpret_cast<const char*>(data_) + at_, size_ - at_}; }

private:
    const std::uint8_t* data_;
    std::size_t size_;
    std::size_t at_ = 0;
};

// Places to cut a text at, ascending.
using cuts = std::vector<std::size_t>;

inline cuts every_byte(std::size_t size) {
    cuts out;
    for (std::size_t at = 1; at < size; ++at) out.push_back(at);
    return out;
}

// Pieces whose sizes follow from seed, mostly small.
inline cuts pieces_of(std::size_t size, std::uint32_t seed) {
    cuts out;
    std::uint32_t state = seed * 2654435761u + 1;
    for (std::size_t at = 0;;) {
        state = state * 1664525u + 1013904223u;
        at += 1 + (state >> 24) % ((state >> 16 & 3) == 0 ? 64u : 7u);
        if (at >= size) return out;
        out.push_back(at);
    }
}

}  // namespace co_wq::fuzz
