// A network namespace of one's own whose loopback loses, delays and reorders UDP, by seed.
//
// How:     iptables gives what arrives to a queue (NFQUEUE), which a thread of ours empties as it likes.
// Needs:   root, network namespaces, iptables with its NFQUEUE target (Debian: iptables); else `missing` says what.
// Threads: made on the thread that then uses the network; one of its own holds the packets.
// Source:  unshare(2), netlink(7), linux/netfilter/nfnetlink_queue.h.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <thread>

#include "base/random.hpp"

namespace co_wq::net::tls::test {

struct shape {
    std::uint64_t seed = 1;
    unsigned loss_percent = 0;
    unsigned delay_min_ms = 0, delay_max_ms = 0;  // each packet its own: they overtake each other
};

class shaper {
public:
    explicit shaper(shape wanted);
    shaper(const shaper&) = delete;
    ~shaper();

    // Empty: it works.
    const std::string& missing() const { return missing_; }
    std::uint64_t seen() const { return seen_; }
    std::uint64_t lost() const { return lost_; }

private:
    bool open_queue();
    bool configure(std::uint16_t attribute, const void* data, std::size_t size);
    void run();
    void receive();
    void decide(std::uint32_t packet);
    void verdict(std::uint32_t packet, bool pass);

    const shape wanted_;
    std::string missing_;
    int queue_ = -1;
    seeded_random random_;
    std::multimap<std::int64_t, std::uint32_t> held_;  // by when they go on, in ms
    std::atomic<std::uint64_t> seen_ = 0, lost_ = 0;
    std::atomic<bool> ending_ = false;
    std::thread thread_;
};

}  // namespace co_wq::net::tls::test
