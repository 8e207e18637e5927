// How reference_h1 reads a head: from the text between the first byte and the empty line, to a head or a refusal.
//
// For:      reference_h1.cpp and its tests.
// Errors:   a text that says why; empty when all is well.
// Threads:  plain functions.
#pragma once

#include <string>
#include <string_view>

#include "reference_h1.hpp"

namespace co_wq::reference_h1::detail {

// lines: each ends with LF; the last is the empty line.
std::string parse_request_head(std::string_view lines, head& out);
// out.asked is set.
std::string parse_response_head(std::string_view lines, head& out);
std::string parse_trailers(std::string_view lines, fields& out);

// The line without its end (LF). A text in `size` only if the line is right.
std::string parse_chunk_line(std::string_view line, std::uint64_t& size, unsigned& oddities);

std::string lower(std::string_view text);

// "host:port", lower case, port 80 if there is none; empty if text is no host with an optional port.
std::string normal_authority(std::string_view text);

}  // namespace co_wq::reference_h1::detail
