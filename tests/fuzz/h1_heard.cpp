#include "h1_heard.hpp"

#include <algorithm>
#include <span>

namespace co_wq::fuzz {
namespace {

using reference_h1::message;
using reference_h1::reading;

// What ours accepts although the grammar does not have it; see the reference's oddities.
constexpr unsigned accepted_oddities = reference_h1::empty_line_before_request |
                                       reference_h1::target_with_odd_characters | reference_h1::no_space_after_status |
                                       reference_h1::framing_fields_without_body | reference_h1::odd_chunk_extension;

std::string first_difference(const message& ours, const message& theirs, bool complete) {
    if (ours.head_end != theirs.head_end) return "where a head ends";
    if (ours.start.method != theirs.start.method) return "the method";
    if (ours.start.target != theirs.start.target) return "the target";
    if (ours.start.status != theirs.start.status) return "the status";
    if (ours.start.reason != theirs.start.reason) return "the reason";
    if (ours.start.minor_version != theirs.start.minor_version) return "the version";
    if (ours.start.fields != theirs.start.fields) return "the fields";
    if (ours.start.how != theirs.start.how) return "the framing";
    if (ours.start.length != theirs.start.length) return "the length";
    if (ours.start.persistent != theirs.start.persistent) return "whether the connection goes on";
    if ((theirs.oddities & ~accepted_oddities) != 0 && ours.complete) return "an oddity that ours refuses elsewhere";
    if (!complete) return theirs.body.starts_with(ours.body) ? "" : "the body so far";
    if (ours.body != theirs.body) return "the body";
    if (ours.trailers != theirs.trailers) return "the trailers";
    if (ours.complete != theirs.complete) return "whether the message is complete";
    return ours.end == theirs.end ? "" : "where a message ends";
}

bool is_one_of(std::string_view error, std::span<const std::string_view> all) {
    return std::any_of(all.begin(), all.end(), [error](std::string_view one) { return error.contains(one); });
}

constexpr std::string_view limits_of_both[] = {
    "Connection names too many options",
    "chunk size has too many digits",
    "chunk extensions are too long",
    "too many header fields",
    "trailer section is too large",
    "header section is too large",
    "start line is too long",
    "HTTP version is neither",
    "a trailer field that belongs into the head",
    "chunk size has a character",            // the blank before an extension, which ours does not know
    "Invalid character in Content-Length"};  // llhttp's: a tab behind the number

}  // namespace

void compare(const heard& ours, const reading& theirs, bool (*may_refuse)(std::string_view error)) {
    const auto both = [&] { return "ours:\n" + ours.text() + "reference:\n" + describe(theirs); };
    demand(ours.messages.size() <= theirs.messages.size(), "the reference reads every message that ours accepts", both);
    for (std::size_t i = 0; i < ours.messages.size(); ++i) {
        const bool complete = ours.messages[i].complete || ours.error.empty();
        const std::string what = first_difference(ours.messages[i], theirs.messages[i], complete);
        demand(what.empty(), "both read the same: " + what, both);
    }
    if (ours.error.empty() || may_refuse(ours.error)) return;
    const bool refused = !theirs.refused.empty() && theirs.messages.size() <= ours.messages.size();
    const bool cut_off =
        !theirs.messages.empty() && !theirs.messages.back().complete && theirs.messages.size() <= ours.messages.size();
    demand(refused || cut_off, "ours refuses what the reference refuses, or for a reason of its own", both);
}

bool may_refuse_request(std::string_view error) {
    constexpr std::string_view own[] = {"host ",
                                        "port ",
                                        "IPv6",
                                        "'[' without ']'",
                                        "user names in a host",
                                        "only http:// URLs are forwarded",
                                        "CONNECT and TRACE have no body",
                                        "request method is longer than any we know"};
    return is_one_of(error, limits_of_both) || is_one_of(error, own);
}

bool may_refuse_response(std::string_view error) {
    constexpr std::string_view own[] = {"too many interim responses", "closed the connection without an answer"};
    return is_one_of(error, limits_of_both) || is_one_of(error, own);
}

}  // namespace co_wq::fuzz
