// What is wrong with a configuration: where, what, and what to write instead.
//
// Threads:  plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace co_wq::proxy::config {

struct problem {
    std::string file;
    std::uint32_t line = 0;    // 0: of the file as a whole
    std::uint32_t column = 0;  // in characters, from 1
    std::string what;

    // "proxy.toml:12:3: unknown key ...", on one line whatever the file holds.
    std::string text() const;
};

using problems = std::vector<problem>;

}  // namespace co_wq::proxy::config
