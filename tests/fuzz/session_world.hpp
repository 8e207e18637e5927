// A session script played in the simulated world, and what was said and heard at its edges.
#pragma once

#include <deque>
#include <string>

#include "session_script.hpp"

namespace co_wq::fuzz {

struct connection {
    std::string said, heard;
    bool ended = false;         // we ended it in order, with everything said
    bool heard_its_end = false; // the other side did
    bool over = false;          // nothing more can be heard
    unsigned place = 0;         // of an origin's: which listener; see origin_places
};

struct origin_place {
    std::uint8_t last_octet;
    std::uint16_t port;
    std::string_view names[3];  // as "host:port"
};

inline constexpr origin_place origin_places[] = {
    {1, 80, {"10.0.0.1:80", "http.test:80", "twin.test:80"}},
    {2, 80, {"10.0.0.2:80", "echo.test:80", ""}},
    {2, 443, {"10.0.0.2:443", "echo.test:443", ""}},
};

struct session_record {
    connection clients[2];
    std::deque<connection> origins;  // in the order in which they came
};

// The world has ended when this returns, with nothing left in it.
session_record play(session_script script);

}  // namespace co_wq::fuzz
