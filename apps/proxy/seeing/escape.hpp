// Text of others, made safe to be read: JSON strings, columns of a line, targets without credentials.
//
// Guarantees: whatever the input, append_json_string gives one valid JSON string in valid UTF-8 (RFC 8259 section 7):
//             bytes that are no UTF-8 become U+FFFD each, control characters are escaped, DEL too. append_column gives
//             printable ASCII without a space, "-" for nothing; a backslash is doubled and everything else is \xNN.
//             append_target leaves nothing in front of an "@" that an authority may have.
// Threads:    plain functions.
#pragma once

#include <string>
#include <string_view>

namespace co_wq::proxy {

inline constexpr std::size_t logged_text_max = 2048;  // of one field; the rest is cut and "..." says so

void append_json_string(std::string& out, std::string_view text);
void append_column(std::string& out, std::string_view text);
// Printable ASCII between double quotes; quotes and backslashes are escaped by a backslash, everything else is \xNN.
void append_quoted_column(std::string& out, std::string_view text);

struct target_options {
    bool query = false;        // else it is cut behind its "?"
    bool well_formed = false;  // the request parser took it; else whatever looks like credentials is cut, too
};

// A request target without userinfo, and without a fragment.
std::string loggable_target(std::string_view target, target_options options);

}  // namespace co_wq::proxy
