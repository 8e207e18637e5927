// rude_client: misbehaves on purpose, over and over, while others are measured.
//
// rst          resets its connection, at each phase in turn
// abort_at     the same at one phase
// half_close   ends its direction behind the request, and wants the whole answer (which it must get)
// slow         sends a head one byte at a time, or (every second client) asks for an answer and never reads it
// early_data   sends the tunnel's first bytes with the CONNECT; without a tunnel, two requests at once
//
// Threads: one loop's own.
#pragma once

#include "probe/client.hpp"

namespace co_wq::probe {

class rude_client {
public:
    rude_client(load_loop& owner, unsigned index);
    // Until the surrounding scope is cancelled.
    task<void> run();

private:
    task<void> misbehave();
    task<void> break_off(phase where);
    task<void> break_off_in_upload();
    task<void> half_close();
    task<void> send_slowly();
    task<void> read_nothing();
    task<void> send_early();
    task<bool> reach();
    task<bool> say(std::string_view text);
    task<void> expect_answer();
    phase next_phase() noexcept;

    load_loop& owner_;
    channel channel_;
    request request_;  // without keep-alive
    unsigned index_;
    unsigned turn_ = 0;
};

}  // namespace co_wq::probe
