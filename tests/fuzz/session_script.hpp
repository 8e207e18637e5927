// What an input of the session target says: what clients send and origins answer, piece by piece.
//
// An input is two bytes that choose the network, then text. 0xff and a letter stand between pieces of text:
//   c, d   the text that follows is the first or the second client's
//   o, i   ... is an origin's next answer, given when a request has ended, or when its head is there
//   | p P  a segment ends here; and a short or a long pause
//   w      a client waits until something comes
//   e x r  ends its direction; closes; resets
//   q      the proxy is told to end, and then to end now
//   z      4,096 letters
// Behind each request line and status line a field "Mark: NNN" is inserted: it tells messages apart, wherever they
// turn up.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "io/backend/sim_network.hpp"

namespace co_wq::fuzz {

enum class deed : std::uint8_t { say, pause, long_pause, wait, end, close, reset, drain };

struct action {
    deed what;
    std::string text{};
};

class part {
public:
    // Text; a mark behind a first line takes the next number.
    void add(char one, unsigned& marks);
    void cut();
    void then(deed what);

    std::vector<action> actions;
    bool early = false;  // an answer that does not wait for its request's end

private:
    std::string text_;  // of this part, with what is not in an action yet
    std::size_t said_ = 0;
};

struct session_script {
    io::sim_options network;
    part clients[2];
    std::vector<part> answers;  // in the order in which requests reach origins
    unsigned marks = 0;
};

session_script read_script(const std::uint8_t* data, std::size_t size);
// What an origin says when the script has no answer left.
part plain_answer(unsigned& marks);

}  // namespace co_wq::fuzz
