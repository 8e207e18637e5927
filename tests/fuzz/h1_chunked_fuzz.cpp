// Chunked bodies behind a head that is right, cut in two at every place; what was read is written again with our own
// chunks and read by the reference to the same bytes.
// Input: a byte that chooses request or response, the limits and the sizes of the chunks written, then the body.
#include "h1_heard.hpp"
#include "http/h1/chunked.hpp"

namespace {

using namespace co_wq;

constexpr std::string_view request = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
constexpr std::string_view response = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

// The body again, from the first message, in pieces of our own.
std::string written(const reference_h1::message& one, std::uint32_t seed) {
    http::byte_buffer out;
    std::size_t at = 0;
    fuzz::cuts where = fuzz::pieces_of(one.body.size(), seed);
    where.push_back(one.body.size());
    for (const std::size_t cut : where) {
        http::h1::append_chunk(out, as_bytes(std::string_view(one.body).substr(at, cut - at)));
        at = cut;
    }
    http::header_list trailers;
    for (const reference_h1::field& each : one.trailers) trailers.add(each.name, each.value);
    http::h1::append_last_chunk(out, trailers);
    return std::string(out.text());
}

void expect_the_same_when_written(const reference_h1::message& one, std::uint32_t seed) {
    const std::string again = std::string(request) + written(one, seed);
    const reference_h1::reading read = reference_h1::read_requests(again, true);
    const auto both = [&] { return describe(one) + "written:\n" + fuzz::shown(again) + "\n" + describe(read); };
    fuzz::demand(read.refused.empty() && read.messages.size() == 1 && read.idle, "what we write is one message", both);
    const reference_h1::message& seen = read.messages[0];
    fuzz::demand(seen.complete && seen.end == again.size() && seen.oddities == 0, "it ends where we end it", both);
    fuzz::demand(seen.body == one.body, "it has the same body", both);
    fuzz::demand(seen.trailers == one.trailers, "it has the same trailers", both);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::input from(data, size);
    const std::uint8_t seed = from.choice();
    const bool asked = (seed & 1) != 0;
    const std::string text = std::string(asked ? request : response) + std::string(from.rest());
    const http::parse_limits limits = seed < 0x80 ? http::parse_limits{} : fuzz::small_limits;
    const auto new_request = [&] { return fuzz::new_request_parser(limits); };
    const auto new_response = [&] { return fuzz::new_response_parser(http::method::get, limits); };
    const std::size_t body_at = text.size() - from.rest().size();
    const fuzz::heard ours = asked ? fuzz::hear_however_cut(new_request, text, seed, body_at)
                                   : fuzz::hear_however_cut(new_response, text, seed, body_at);
    const reference_h1::reading theirs =
        asked ? reference_h1::read_requests(text, true) : reference_h1::read_responses(text, {"GET"}, true);
    fuzz::compare(ours, theirs, asked ? &fuzz::may_refuse_request : &fuzz::may_refuse_response);
    fuzz::demand(!ours.messages.empty(), "the head is right", ours.text());
    if (ours.messages[0].complete) expect_the_same_when_written(ours.messages[0], seed);
    return 0;
}
