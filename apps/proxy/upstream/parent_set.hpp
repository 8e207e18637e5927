// parent_set: the parents and groups of one configuration, as they are now, and who of a group comes next.
//
// For:        whoever dials by a route of the policy engine: find(route.via), then order().
// Guarantees: of a group those that are up, in the order in which they are to be tried, at most tries_max:
//               first               as they are written
//               round_robin         in turn, by weight
//               least_connections   fewest connections for its weight first; of equals in turn
//               hash                by the destination's host, each to the same parent as long as that is up
//               (rendezvous
//                                   hashing): when one goes down, only its own destinations move, and they come back
//             A parent may stand in several groups. A new set takes over the state of parents that are as they were.
// Threads:    immutable but for atomics: any.
// Lifetime:   shared, with the rules it belongs to.
// Source:     Thaler and Ravishankar, "Using name-based mappings to increase hit rates" (1998); weights as in
//             Resch, "New hashing algorithms for data storage" (2015).
//
//   const parent_group* by = set.find("corp");
//   for (const std::shared_ptr<live_parent>& each : by->order(host, now)) ...
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "proxy/policy/settings.hpp"
#include "proxy/upstream/live_parent.hpp"

namespace co_wq::proxy::upstream {

inline constexpr std::size_t tries_max = 4;
using parents = std::vector<std::shared_ptr<live_parent>>;

class parent_group {
public:
    parent_group(const policy::parent_group& chosen, parents members) : chosen_(chosen), members_(std::move(members)) {}

    parents order(std::string_view host, time_point now) const;
    const std::string& name() const noexcept { return chosen_.name; }
    bool direct_when_down() const noexcept { return chosen_.direct_when_down; }
    const parents& members() const noexcept { return members_; }

private:
    std::uint64_t next_turn() const noexcept { return turn_.fetch_add(1, std::memory_order_relaxed); }
    void in_turn(parents& up) const;
    void by_load(parents& up) const;
    void by_hash(parents& up, std::string_view host) const;

    const policy::parent_group chosen_;
    const parents members_;
    mutable std::atomic<std::uint64_t> turn_{0};
};

class parent_set {
public:
    // Those of the settings; before: whose state goes on, or null. In words, what is wrong; and then no set.
    static std::shared_ptr<parent_set> make(const policy::settings& chosen, const parent_set* before,
                                            std::string& wrong);

    // A group, or a parent on its own; null: neither has this name.
    const parent_group* find(std::string_view name) const noexcept;
    const parents& all() const noexcept { return all_; }

private:
    parents all_;
    std::unordered_map<std::string, std::unique_ptr<parent_group>> groups_;
};

}  // namespace co_wq::proxy::upstream
