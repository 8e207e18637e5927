// driver: several event loops in one virtual world, on one thread.
//
// For:        simulations. It decides which loop takes its next turn, how long that takes, and when time passes;
//             nothing else runs. What loops post to each other goes through their inboxes, as between threads.
// Guarantees: equal seeds and equal calls give equal runs.
// Threads:    one.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "io/backend/reactor_sim.hpp"
#include "io/event_loop.hpp"

namespace co_wq::sim {

// How hostile the network of a seed is; from none to very, in every respect on its own.
io::sim_options options_of_seed(std::uint64_t seed);
// Prints what happens as it happens.
void read_aloud(io::sim_clock& clock);

class driver final : public io::sim_host {
public:
    explicit driver(const io::sim_options& options);
    ~driver();

    io::sim_network& network() noexcept { return *network_; }
    io::sim_clock& clock() noexcept { return network_->clock(); }
    seeded_random& random() noexcept { return network_->random(); }

    unsigned add_loop(const char* name);
    std::size_t loops() const noexcept { return places_.size(); }
    bool has_loop(unsigned index) const noexcept { return places_[index].loop != nullptr; }
    io::event_loop& loop(unsigned index) noexcept { return *places_[index].loop; }
    // The others go on meanwhile. It must end with balanced books, and within its limit.
    void destroy_loop(unsigned index);
    const op_counters& books(unsigned index) const noexcept { return places_[index].books; }

    // Calls act() as if on the loop's own thread.
    template <class Act>
    void on(unsigned index, Act&& act) {
        place* const outer = enter(&places_[index]);
        act();
        enter(outer);
    }

    // One loop takes a turn, or time passes until something is due; false: nothing can happen by then.
    bool advance(time_point limit);
    void run_until(time_point when) {
        while (advance(when)) {
        }
    }
    // Until nothing is going to happen any more; false: there was still something at the limit.
    bool run_until_quiet(time_point limit);
    // The same for a condition; false: it did not come true.
    template <class Done>
    bool run_until_done(time_point limit, Done&& done) {
        while (!done())
            if (!advance(limit)) return done();
        return true;
    }
    std::uint64_t turns() const noexcept { return turns_; }

private:
    struct place {
        std::unique_ptr<io::event_loop> loop;
        io::event_loop* queue = nullptr;  // the same, also while it is being destroyed
        io::reactor_sim* reactor = nullptr;
        time_point until{};  // sleeps until then
        bool dying = false;
        bool ended = false;
        op_counters books;       // once it has ended
    };

    void wait(io::reactor_sim& who, time_point until) noexcept override;
    void ended(io::reactor_sim& who, const op_counters& books) noexcept override;
    place* enter(place* next) noexcept;
    void dump();
    bool runnable(const place& one) const noexcept;
    void take_turn(place& one);
    void catch_up();

    std::shared_ptr<io::sim_network> network_;
    std::vector<place> places_;
    place* active_ = nullptr;  // whose thread this is now
    std::uint64_t turns_ = 0;
};

}  // namespace co_wq::sim
