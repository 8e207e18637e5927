// access_record: what the access log says about one request or one tunnel, and its two written forms.
//
// For:        the access log. One line each, ended by a line feed; docs/operations/seeing.md lists the fields.
// Guarantees: a line holds no line feed but its last byte, whatever the fields hold; escape.hpp says how.
// Threads:    plain values and functions.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "net/pump.hpp"

namespace co_wq::proxy {

// How one direction ended.
enum class ended : std::uint8_t {
    none,      // it never began
    eof,       // in order: all of it was passed on
    reset,     // the connection was reset or left
    idle,      // no byte for as long as allowed
    limit,     // more than allowed
    shutdown,  // we ended it
    failed,    // another error
};
std::string_view name_of(ended how) noexcept;
ended end_of(error what) noexcept;
// A direction that was stopped because the other one broke ended as that one did.
ended end_of(net::end_reason how, net::end_reason other) noexcept;

enum class decided : std::uint8_t {
    allow,
    report,  // carried, since report mode denies nothing: the rule would have denied it
    deny,
    refuse,  // no rule was asked; the request itself is wrong
};
std::string_view name_of(decided what) noexcept;

inline constexpr duration not_measured{-1};

struct access_record {
    std::chrono::system_clock::time_point when{};  // the request's head was read
    std::uint32_t loop = 0;
    std::uint64_t connection = 0;  // of this loop
    std::uint32_t request = 0;     // of this connection, from 1
    std::string_view client{}, user{}, protocol{}, method{}, target{};
    decided decision = decided::allow;
    std::string_view rule{};
    std::uint16_t status = 0;  // 0: none was sent
    std::string_view upstream{};
    bool pooled = false;
    duration dns = not_measured, connect = not_measured, first_byte = not_measured, total = not_measured;
    std::uint64_t bytes_up = 0, bytes_down = 0;
    ended up = ended::none, down = ended::none;
    std::string_view detail{};
    std::string_view via{};  // a parent, or "group/parent"; "direct": of a group that is down
};

void append_text(std::string& out, const access_record& one);
void append_json(std::string& out, const access_record& one);

// "2026-11-28T02:14:30.123Z"
void append_time(std::string& out, std::chrono::system_clock::time_point when);
// "12.345", cut to whole microseconds.
void append_milliseconds(std::string& out, duration span);

}  // namespace co_wq::proxy
