// Requests, one after the other: outcomes do not depend on the cut, and the reference reads what ours accepts.
// Input: a byte that seeds the cut and chooses the limits, then the stream.
#include "h1_heard.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace co_wq;
    fuzz::input from(data, size);
    const std::uint8_t seed = from.choice();
    const std::string_view text = from.rest();
    const http::parse_limits limits = seed < 0x80 ? http::parse_limits{} : fuzz::small_limits;
    const auto make = [&] { return fuzz::new_request_parser(limits); };
    const fuzz::heard ours = fuzz::hear_however_cut(make, text, seed);
    fuzz::compare(ours, reference_h1::read_requests(text, true), &fuzz::may_refuse_request);
    return 0;
}
