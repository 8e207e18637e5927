// answer: what is known about one name and one type: addresses (port 0) or records, or why there are none.
//
// Shared and immutable: a waiter that is resumed later still has what woke it, whatever became of the cache.
#pragma once

#include <memory>

#include "base/result.hpp"
#include "net/dns/records.hpp"

namespace co_wq::net::dns::detail {

struct found {
    address_list addresses{};           // of A and AAAA; their records are not kept
    std::vector<record> records{};      // of all other types
    std::string canonical{};            // empty: the name that was asked for
    std::vector<std::string> aliases{};
    std::chrono::seconds ttl{};         // the least of all, when it came
    time_point since{};                 // when it came

    // An alias, and the answer does not say what it stands for: that is the next thing to ask.
    bool alias_only() const noexcept { return addresses.empty() && records.empty(); }
    std::size_t size_bytes() const noexcept;
};

using answer = result<found>;
using answer_ptr = std::shared_ptr<const answer>;

inline answer_ptr make_answer(found what) { return std::make_shared<const answer>(std::move(what)); }
inline answer_ptr make_answer(error why) { return std::make_shared<const answer>(std::unexpected(why)); }

inline std::size_t found::size_bytes() const noexcept {
    std::size_t bytes = sizeof(found) + addresses.capacity() * sizeof(io::socket_address) + canonical.capacity();
    for (const record& one : records) bytes += sizeof one + one.name.capacity() + one.data.capacity();
    for (const std::string& one : aliases) bytes += sizeof one + one.capacity();
    return bytes;
}

}  // namespace co_wq::net::dns::detail
