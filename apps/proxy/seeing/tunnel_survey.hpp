// tunnel_survey: the live tunnels of all loops, as JSON; each loop writes down its own.
//
// For:        /tunnels of the admin listener.
// Guarantees: bounded: shown_max tunnels at most; the page says how many there are, and whether every loop has
// answered. Threads:    add: each loop for itself. The rest: the loop that asks. Lifetime:   shared by who asks and the
// messages to the loops: a loop that answers late, or never, harms nobody.
#pragma once

#include <atomic>
#include <mutex>
#include <string>

#include "proxy/seeing/seeing.hpp"
#include "sync/event.hpp"

namespace co_wq::proxy {

class tunnel_survey {
public:
    static constexpr std::size_t shown_max = 1000;

    // A loop's answer; null: it serves nobody.
    void add(loop_seeing* from);
    // Until so many loops have answered, or the surrounding deadline passes.
    task<void> wait_for(std::size_t loops);
    std::string page(std::size_t loops);

private:
    void add_tunnels(loop_seeing& from);

    std::mutex lock_;
    std::string text_;
    std::size_t promised_ = 0;  // shown, or about to be
    std::size_t shown_ = 0, tunnels_ = 0;
    std::atomic<std::size_t> answered_{0};
    event changed_;
};

// One tunnel as a JSON object.
void append_tunnel(std::string& out, const live_tunnel& one, std::uint32_t loop, time_point now);

}  // namespace co_wq::proxy
