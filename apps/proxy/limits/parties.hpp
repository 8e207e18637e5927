// party_table: who is there now, clients or users, and how much each has taken.
//
// For:        limits per client and per user, over all loops. Touched at the beginning and the end of a connection, or
//             of a user's request, and only where such a limit is set.
// Guarantees: counts are exact: never more seats of a party than were allowed at its last enter. What a party has taken
//             is remembered until it is paid for, also when all of its seats are gone: leaving and coming back gains
//             nothing. Memory is that of the parties that are there or still owe something, times two at most.
//             A key that clients choose does not choose its place (keyed hash).
// Threads:    any; a shard has a mutex, and a party's buckets are lock-free.
// Lifetime:   a party lives as long as one of its seats. The table outlives its seats.
//
//   party* one = table.enter(key_of(address), 100, now);     // nullptr: it has 100 already
//   one->requests.take(by, now);
//   table.leave(*one, now);
#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "proxy/limits/buckets.hpp"
#include "proxy/policy/ip_address.hpp"
#include "proxy/policy/siphash.hpp"

namespace co_wq::proxy {

// One client, or one user.
class party {
public:
    request_bucket requests;
    shaper up, down;

    bool rested(time_point now) const noexcept { return requests.rested(now) && up.rested(now) && down.rested(now); }

private:
    friend class party_table;
    std::uint32_t seats_ = 0;  // guarded by its shard
    const std::string* key_ = nullptr;
};

class party_table {
public:
    party_table();
    party_table(const party_table&) = delete;
    party_table& operator=(const party_table&) = delete;

    // One more seat of this party; nullptr: there are as many as allowed. most 0: no limit.
    party* enter(const std::string& key, std::uint32_t most, time_point now);
    void leave(party& one, time_point now) noexcept;

    // Parties that are remembered.
    std::size_t size() const;

private:
    struct keyed_hash {
        policy::siphash_key key;
        std::size_t operator()(const std::string& text) const noexcept {
            return static_cast<std::size_t>(policy::siphash_128(key, text)[0]);
        }
    };
    struct shard {
        explicit shard(const keyed_hash& hash) : known(0, hash) {}
        mutable std::mutex lock;
        std::unordered_map<std::string, party, keyed_hash> known;
        std::size_t sweep_above = 64;
    };
    static constexpr std::size_t shards = 16;

    shard& shard_of(const std::string& key) noexcept { return *shards_[hash_(key) / 64 % shards]; }
    static void sweep(shard& one, time_point now) noexcept;

    const keyed_hash hash_;
    std::array<std::unique_ptr<shard>, shards> shards_;
};

}  // namespace co_wq::proxy
