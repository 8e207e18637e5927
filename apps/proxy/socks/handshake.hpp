// handshake: what a SOCKS client and we say before its tunnel or its UDP association.
//
// For:        a session whose first byte is 0x04 or 0x05.
// Guarantees: each message is answered as soon as it is whole; bytes behind the request are the tunnel's. What is
// refused
//             is answered in the protocol's words, and the answer reaches the client. All messages have come within
//             header_timeout of the first byte; who takes longer is told so, and has a record as HTTP's 408. Who leaves
//             before has none, as in the middle of a head of HTTP. When the proxy drains while a message is awaited,
//             that is the end. A client that resets its connection ends its dialling; one that has only ended its
//             direction does not.
// Threads:    the session's loop. Lifetime: within session::run.
#pragma once

#include <optional>
#include <string>

#include "proxy/session.hpp"
#include "proxy/socks/admit.hpp"
#include "proxy/socks/message.hpp"

namespace co_wq::proxy::socks {

class handshake {
public:
    explicit handshake(session& owner) noexcept : session_(owner), server_(owner.server()) {}

    // A tunnel or an association to run, or nothing: the connection is over.
    task<std::unique_ptr<tunnel_plan>> run();

private:
    task<bool> negotiate();
    task<bool> agree_on_method();
    task<bool> log_in();
    task<bool> read_request();
    template <class Parse>
    task<progress> read(Parse parse, std::string late);
    task<bool> say(std::string text);
    task<void> refuse(reply code, std::string_view why);
    denial over_limit();
    task<void> deny(const denial& no);
    task<std::unique_ptr<tunnel_plan>> connect();
    task<std::unique_ptr<tunnel_plan>> associate();
    task<result<net::tls::connection>> dial();
    task<void> watch_client(cancel_scope& dialling);
    question about() noexcept;
    void note_decision(std::string_view rule);
    decision judged();
    void begin_note();
    void note_refusal(std::uint16_t status, std::string_view why);
    void note_granted();
    void log_answer(reply code, std::string_view why) const;

    session& session_;
    proxy_server& server_;
    time_point deadline_{};
    request request_;
    bool heard_ = false;  // the request, right or wrong
    asker who_;
    policy::decision judged_;  // of the last address
    let_through reported_;
    chosen_way way_;
};

}  // namespace co_wq::proxy::socks
