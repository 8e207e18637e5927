// reactor_sim: a loop on an in-memory network under virtual time, decided by a seed.
//
// It is both kinds of kernel at once: some operations wait for readiness, others (accepts, connects and small sends,
// as the seed decides) are performed by the "kernel", which completes them late, answers a cancel late, not at all, or
// with the result although a cancel was accepted. Events and completions come twice, for nothing, in another order, or
// for an entry that is gone.
//
// Time:       alone on its network, a reactor lets time pass while it waits. Several of them leave that to their host,
//             which gives the loops their turns, on one thread.
// Threads:    the loop's own, except wake.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "io/backend/sim_network.hpp"

namespace co_wq::io {

class reactor_sim;

// Gives several loops on one network their turns.
class sim_host {
public:
    // A loop would sleep until then, unless something comes: the host remembers it and lets it return, or lets the
    // others run and time pass meanwhile.
    virtual void wait(reactor_sim& who, time_point until) noexcept = 0;
    // The loop has ended, with these books. A loop that leaked its memory never says so.
    virtual void ended(reactor_sim& who, const op_counters& books) noexcept = 0;

protected:
    ~sim_host() = default;
};

class reactor_sim final : public reactor, private sim_watcher {
public:
    // With a network of its own.
    reactor_sim(op_slab& slots, const sim_options& options)
        : reactor_sim(slots, std::make_shared<sim_network>(options)) {}
    // On one that others share.
    reactor_sim(op_slab& slots, std::shared_ptr<sim_network> network);
    ~reactor_sim() override;

    const char* name() const noexcept override { return "sim"; }
    result<void> watch(descriptor& entry, direction way) noexcept override;
    bool start(op_slot& slot) noexcept override;
    bool tries_first(op_kind kind, op_detail detail, const op_slot::io_payload& io) const noexcept override;
    void request_cancel(op_slot& slot) noexcept override;
    void settle(op_slot& send) noexcept override;
    void forget(descriptor& entry) noexcept override;
    void end_accepting(descriptor& entry) noexcept override;
    void wait(time_point until) noexcept override;
    void wake() noexcept override;
    time_point now() const noexcept override { return network_->clock().now(); }
    bool takes_file(file_call) const noexcept override { return true; }
    void start_file(op_slot& slot) noexcept override;

    sim_network& network() noexcept { return *network_; }

    // ---- for who gives turns to several loops
    void set_host(sim_host* host) noexcept { host_ = host; }
    bool has_news() const noexcept { return woken_ || !events_.empty() || !completions_.empty(); }

private:
    // What is watched: which entry a number's events go to.
    struct watched {
        native_handle handle;
        op_tag entry;
        bool for_writing;  // asked for again after each report, as with io_uring's one-shot poll
    };
    // An operation the kernel performs.
    struct held {
        op_tag tag;
        native_handle handle;
        bool over;  // its completion is on its way
    };
    struct event {
        op_tag entry;
        unsigned events;
    };
    struct completion {
        op_tag tag;
        std::int32_t result;
    };

    void changed(native_handle handle, unsigned events) noexcept override;
    void overtake(const descriptor& by) noexcept;
    held* find_held(op_tag tag) noexcept;
    void look_again(op_tag tag);
    void perform(op_tag tag);
    std::int32_t try_to_send(descriptor& entry, op_slot& slot);
    void complete(held& one, std::int32_t result);
    void answer_cancel(op_tag tag);
    void finish_held(op_slot& slot, std::int32_t result) noexcept;
    void take_news() noexcept;
    void take_event(event one) noexcept;
    void take_completion(completion one) noexcept;
    duration kernel_delay() noexcept;
    seeded_random& random() noexcept { return network_->random(); }
    void later(duration delay, sim_clock::action act, op_tag tag);

    std::shared_ptr<sim_network> network_;
    std::vector<watched> watched_;
    std::vector<held> held_;
    std::vector<event> events_;            // not taken yet
    std::vector<completion> completions_;  // not taken yet
    std::vector<op_tag> gone_;             // entries that were forgotten: late events still name them
    sim_host* host_ = nullptr;
    std::mutex lock_;
    std::condition_variable changed_;
    bool woken_ = false;
};

}  // namespace co_wq::io
