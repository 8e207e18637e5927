// request_note: what is noted of a request while it is under way, in few places; a record is made of it at its end.
//
// Threads: its loop's own.
#pragma once

#include <string>

#include "http/method.hpp"
#include "proxy/seeing/access_record.hpp"

namespace co_wq::proxy {

struct request_note {
    std::chrono::system_clock::time_point when{};
    time_point began{};  // its head was read
    duration dns = not_measured, connect = not_measured, first_byte = not_measured;
    std::uint64_t bytes_up = 0;    // sent to the origin
    std::uint64_t bytes_down = 0;  // sent to the client
    std::uint32_t number = 0;      // of its connection, from 1
    std::uint16_t status = 0;
    decided decision = decided::allow;
    ended up = ended::none, down = ended::none;
    bool open = false;         // begun and not yet written
    bool well_formed = false;  // the parser took its head
    bool own_answer = false;   // the proxy itself answered
    bool pooled = false;
    bool client_gone = false;
    std::string upstream, via, user, rule, detail;

    // Whether it is always logged: denied, or not carried to its end.
    bool remarkable() const noexcept {
        const auto odd = [](ended how) { return how != ended::eof && how != ended::none; };
        return own_answer || decision != decided::allow || odd(up) || odd(down);
    }
    // The proxy answers itself.
    void refused(std::uint16_t with) noexcept {
        own_answer = true;
        if (with == 413) up = ended::limit;
        if (with == 408) up = ended::idle;
        status = with;
        const bool ours = with < 500 || with == 501 || with == 505 || with == 508;
        decision = with == 403 || with == 407 || with == 429 ? decided::deny : ours ? decided::refuse : decision;
    }
    void ends(ended up_how, ended down_how) noexcept {
        if (up == ended::none) up = up_how;
        if (down == ended::none) down = down_how;
    }
};

// Whose request it was and what it asked for, as it came.
struct request_words {
    std::string_view client{}, protocol{}, method{}, target{};
    std::uint64_t connection = 0;
    http::method known_method = http::method::other;
};

}  // namespace co_wq::proxy
