// seeing: what the whole proxy shows of itself: the access log and every loop's figures.
// loop_seeing: one loop's part: writes records, knows the live tunnels.
//
// For:        server_group has the one, each proxy_server the other.
// Guarantees: nothing here makes a loop wait, nor does a loop read what another one writes but for figures. Without an
//             access log and an admin address no text is kept and no clock is asked.
// Threads:    seeing: any, once open() has returned. loop_seeing: its loop's own.
// Lifetime:   seeing outlives every loop_seeing, and that its sessions and tunnels.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "base/intrusive_list.hpp"
#include "base/random.hpp"
#include "io/event_loop.hpp"
#include "net/dns/connect_host.hpp"
#include "proxy/seeing/access_log.hpp"
#include "proxy/seeing/figures.hpp"
#include "proxy/seeing/request_note.hpp"
#include "proxy/seeing/seeing_options.hpp"

namespace co_wq::proxy {

class seeing {
public:
    explicit seeing(const seeing_options& chosen) : options_(chosen) {}

    // Opens the access log, if one is wanted.
    result<void> open();
    // Writes what is left, and says how many lines are lost. No loop runs any more.
    void close() noexcept;
    void reopen() noexcept;

    const seeing_options& chosen() const noexcept { return options_; }
    bool detailed() const noexcept { return !options_.access_log.empty() || !options_.admin.empty(); }
    access_log* log() const noexcept { return log_.get(); }

    struct loop_part {
        std::uint32_t index;
        loop_figures figures;
    };
    // Kept until the end, so that totals do not fall when a loop ends.
    loop_part& add_loop();
    template <class Visit>
    void for_each_loop(Visit&& visit) const {
        const std::scoped_lock guard(lock_);
        for (const loop_part& one : loops_) visit(one);
    }

private:
    const seeing_options options_;
    std::unique_ptr<access_log> log_;
    mutable std::mutex lock_;
    std::deque<loop_part> loops_;
};

class loop_seeing;

// A tunnel's note, from its beginning until its record is written by the destructor. Only when seeing::detailed().
class live_tunnel : public list_hook<live_tunnel> {
public:
    live_tunnel(loop_seeing& owner, request_note&& note, const request_words& words);
    live_tunnel(const live_tunnel&) = delete;
    ~live_tunnel();

    net::pump_progress& progress() noexcept { return progress_; }
    const net::pump_progress& progress() const noexcept { return progress_; }
    // Bytes that did not go through the pump.
    void carried_before(bool up, std::size_t size) noexcept {
        (up ? progress_.bytes_forth : progress_.bytes_back) += size;
    }
    void finish(const net::pump_result& done) noexcept;
    // A limit ended it. The rule that denied, or would have denied, says more.
    void limited(std::string_view rule) {
        note_.ends(ended::limit, ended::limit);
        if (note_.decision == decided::allow) note_.rule = rule;
    }
    // What was decided about a part of it: the gravest stands, and of those the first.
    void judged(decided what, std::string_view rule, std::string_view detail) {
        if (what <= note_.decision) return;
        note_.decision = what;
        note_.rule = rule;
        note_.detail = detail;
    }
    // It broke before the pump began.
    void broke(error why) noexcept { note_.ends(end_of(why), end_of(why)); }

    const request_note& note() const noexcept { return note_; }
    request_words words() const noexcept {
        return {
            .client = client_, .protocol = protocol_, .method = method_, .target = target_, .connection = connection_};
    }
    time_point touched() const noexcept { return std::max(progress_.touched, note_.began); }

private:
    friend class loop_seeing;
    void count() noexcept;

    loop_seeing& owner_;
    request_note note_;
    net::pump_progress progress_;
    std::uint64_t counted_up_ = 0, counted_down_ = 0;  // are in the figures
    std::uint64_t connection_;
    std::string client_, protocol_, method_, target_;
};

struct live_tunnel_deleter {
    void operator()(live_tunnel* one) const noexcept;
};
using live_tunnel_ptr = std::unique_ptr<live_tunnel, live_tunnel_deleter>;

class loop_seeing {
public:
    loop_seeing(seeing& all, io::event_loop& loop);

    bool detailed() const noexcept { return all_.detailed(); }
    loop_figures& figures() noexcept { return part_.figures; }
    io::event_loop& loop() noexcept { return loop_; }
    std::uint32_t index() const noexcept { return part_.index; }

    // A request's head was read, or its first wrong byte.
    void begin(request_note& note) noexcept;
    // A connection to the origin was tried.
    void reached(request_note& note, const result<net::dns::connected>& made);
    // The origin's answer begins, or the tunnel stands.
    void first_byte(request_note& note) noexcept;
    // Counts it and writes its record.
    void end(request_note& note, const request_words& words);
    // Counts the request; what is left is a tunnel.
    live_tunnel_ptr begin_tunnel(request_note&& note, const request_words& words);

    // Brings the copies of others' figures up to date.
    void refresh(std::size_t pool_size, const net::dns::resolver_counters& names) noexcept;

    intrusive_list<live_tunnel>& tunnels() noexcept { return tunnels_; }

private:
    friend class live_tunnel;
    void count_answer(const request_note& note, const request_words& words) noexcept;
    void write(const request_note& note, const request_words& words) noexcept;
    void compose(const request_note& note, const request_words& words);

    seeing& all_;
    io::event_loop& loop_;
    seeing::loop_part& part_;
    access_log::lane* lane_ = nullptr;
    intrusive_list<live_tunnel> tunnels_;
    seeded_random dice_;
    std::string line_, target_;
};

}  // namespace co_wq::proxy
