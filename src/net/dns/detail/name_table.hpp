// name_table: the answers that are known and the questions that are in flight, one record for each name and type.
//
//   absent --begin--> asking --settle--> kept --(begin, once expired)--> asking
//                                          \--evict, flush--> absent
//
// Invariants: 1. A record that is being asked for is never dropped: c-ares holds its address.
//             2. Only kept records are in the list of least recent use; entries() and bytes() count those.
//             3. Lookups are linked only to records that are being asked for.
// Time:       never asked, always told.
// Threads:    the loop's own.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.hpp"
#include "net/dns/detail/cares_channel.hpp"
#include "net/dns/detail/lookup.hpp"

namespace co_wq::net::dns::detail {

struct name_key {
    std::string name;
    record_type type{};
};

class name_record : public query, public list_hook<name_record> {
public:
    explicit name_record(query::function on_reply) noexcept : query(on_reply) {}

    const name_key& key() const noexcept { return *key_; }
    bool asking() const noexcept { return asking_; }
    const answer_ptr& known() const noexcept { return known_; }
    bool fresh(time_point now) const noexcept { return !asking_ && known_ && now < expires_; }
    // When its own TTL is over; later than that it may still be given for want of a better one.
    time_point true_until() const noexcept { return true_until_; }

    void* owner = nullptr;                 // of the table, for on_reply
    intrusive_list<lookup> waiters;

private:
    friend class name_table;
    const name_key* key_ = nullptr;
    answer_ptr known_;
    time_point expires_{}, true_until_{};
    std::size_t bytes_ = 0;
    bool asking_ = false;
    bool outdated_ = false;  // asked before the last flush: the answer is for those who wait, and not kept
};

class name_table {
public:
    name_table(std::size_t entries_max, std::size_t bytes_max, void* owner, query::function on_reply) noexcept
        : entries_max_(entries_max), bytes_max_(bytes_max), owner_(owner), on_reply_(on_reply) {}
    ~name_table();

    // Null when nothing is known. A hit makes the record the most recently used.
    name_record* find(std::string_view name, record_type type) noexcept;
    // Makes the record, or takes one that has expired, and marks it as being asked for.
    name_record& begin(std::string_view name, record_type type);
    // The answer has come: it is kept until now + ttl, and everybody who waits gets it.
    void settle(name_record& record, answer_ptr come, time_point now, duration ttl) noexcept;
    // There is no better one: the former answer again, until now + ttl.
    void settle_stale(name_record& record, time_point now, duration ttl) noexcept;
    // Drops all that is kept.
    void flush() noexcept;

    std::size_t entries() const noexcept { return entries_; }
    std::size_t bytes() const noexcept { return bytes_; }
    std::size_t asking() const noexcept { return asking_; }
    std::uint64_t evictions() const noexcept { return evictions_; }

private:
    struct key_view {
        std::string_view name;
        record_type type;
    };
    struct hash {
        using is_transparent = void;
        template <class Key>
        std::size_t operator()(const Key& key) const noexcept {
            return std::hash<std::string_view>()(key.name) ^ static_cast<std::size_t>(key.type);
        }
    };
    struct equal {
        using is_transparent = void;
        template <class Left, class Right>
        bool operator()(const Left& left, const Right& right) const noexcept {
            return left.type == right.type && std::string_view(left.name) == std::string_view(right.name);
        }
    };
    void forget(name_record& record) noexcept;
    void drop(name_record& record) noexcept;

    std::unordered_map<name_key, name_record, hash, equal> records_;
    intrusive_list<name_record> recent_;  // oldest first
    std::size_t entries_ = 0;
    std::size_t bytes_ = 0;  // of what is kept
    std::size_t asking_ = 0;
    std::size_t entries_max_;
    std::size_t bytes_max_;
    std::uint64_t evictions_ = 0;
    void* owner_;
    query::function on_reply_;
};

}  // namespace co_wq::net::dns::detail
