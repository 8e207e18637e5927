// A response and the interim ones before it: outcomes do not depend on the cut, and the reference reads what ours
// accepts. Input: a byte that chooses the method that was asked and the limits and seeds the cut, then the stream.
#include "h1_heard.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace co_wq;
    constexpr http::method methods[] = {http::method::get, http::method::head, http::method::connect,
                                        http::method::post};
    fuzz::input from(data, size);
    const std::uint8_t seed = from.choice();
    const http::method asked = methods[seed % 4];
    const std::string_view text = from.rest();
    const http::parse_limits limits = seed < 0x80 ? http::parse_limits{} : fuzz::small_limits;
    const auto make = [&] { return fuzz::new_response_parser(asked, limits); };
    const fuzz::heard ours = fuzz::hear_however_cut(make, text, seed);
    const reference_h1::reading theirs = reference_h1::read_responses(text, {std::string(name_of(asked))}, true);
    fuzz::compare(ours, theirs, &fuzz::may_refuse_response);
    return 0;
}
