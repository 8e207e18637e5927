// outcome: how a request ended, by kind, as reports count it.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace co_wq::probe {

enum class ending : std::uint8_t {
    answered,       // whole, and as expected
    name,           // the name was not found
    refused,        // nobody listens
    unreachable,    // no way to the address
    ports,          // no local port is free
    descriptors,    // this process has as many open as it may
    proxy_refused,  // the proxy did not open the tunnel
    tls,            // no handshake, or a broken record
    reset,
    cut_off,        // the connection ended inside an answer, or before it
    timed_out,
    bad_answer,     // not HTTP
    status,         // other than 2xx
    length,         // fewer or more bytes than asked for
    content,        // other bytes than asked for
    other,
    stopped,        // by us, at the end; no error
};
inline constexpr std::size_t endings = static_cast<std::size_t>(ending::stopped) + 1;

// "answered", "connection refused", ...
const char* name_of(ending how) noexcept;

// Where a request was when it failed.
enum class stage : std::uint8_t { name, connect, tunnel, tls, exchange };
const char* name_of(stage where) noexcept;

ending ending_of(error why, stage where) noexcept;

struct outcome {
    ending how = ending::answered;
    bool spoke = false;        // a byte of the answer came
    std::uint64_t bytes = 0;   // of the answer's body
    std::string detail{};      // of a failure

    explicit operator bool() const noexcept { return how == ending::answered; }
};

outcome failed(error why, stage where);
outcome failed(ending how, std::string detail);

// What went wrong, counted, with one example of each kind.
class failures {
public:
    void add(ending how, const std::string& detail);
    void merge(const failures& other);
    std::uint64_t of(ending how) const noexcept { return counts_[static_cast<std::size_t>(how)]; }
    const std::string& example(ending how) const noexcept { return examples_[static_cast<std::size_t>(how)]; }
    // Without those we stopped.
    std::uint64_t total() const noexcept;

private:
    std::array<std::uint64_t, endings> counts_{};
    std::array<std::string, endings> examples_;
};

}  // namespace co_wq::probe
