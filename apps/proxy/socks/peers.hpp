// peers: to whom the client of a UDP association has sent, so that only they may answer; and what names stand for.
//
// For:        the UDP relay. Without I/O.
// Guarantees: bounded: of more peers than that the one used longest ago is forgotten. A name that is being asked for is
//             never forgotten; of the others the one that ends first makes room. A lookup allocates nothing.
// Threads:    one at a time.
#pragma once

#include <list>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "proxy/socks/addresses.hpp"

namespace co_wq::proxy::socks {

class peer_table {
public:
    explicit peer_table(std::size_t most) noexcept : most_(most) {}

    enum class known : std::uint8_t { no, allowed, refused };
    // Counts as a use.
    known find(const endpoint_key& which) noexcept;
    void add(const endpoint_key& which, bool allowed);
    std::size_t size() const noexcept { return uses_.size(); }

private:
    struct peer {
        endpoint_key which;
        bool allowed;
    };
    std::size_t most_;
    std::list<peer> uses_;  // the latest first
    std::unordered_map<endpoint_key, std::list<peer>::iterator, key_hash> places_;
};

class name_table {
public:
    enum class state : std::uint8_t { asking, good, bad };
    struct entry {
        state now = state::asking;
        io::socket_address stands_for{};
        time_point until{};
        std::vector<std::string> waiting{};  // payloads, for when it is known
    };

    explicit name_table(std::size_t most) noexcept : most_(most) {}

    // As long as it holds; else nullptr.
    entry* find(std::string_view name, time_point now) noexcept;
    // A new one, being asked for; nullptr: there is no room. Stays where it is while it is being asked for.
    entry* add(std::string_view name);
    std::size_t size() const noexcept { return all_.size(); }

private:
    std::size_t most_;
    std::map<std::string, entry, std::less<>> all_;
};

}  // namespace co_wq::proxy::socks
