// Whole connections through the real proxy in the simulated world: what reaches an origin is what a client meant, what
// reaches a client is the answer to its question, as the reference reads both ends; and nothing is left in the end.
// Input: see session_script.hpp.
#include <algorithm>
#include <cctype>

#include "session_check.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace co_wq;
    // the name of the field that tells messages apart is ours alone
    constexpr std::string_view name = "mark";
    const auto same = [](std::uint8_t a, char b) { return std::tolower(a) == b; };
    if (std::search(data, data + size, name.begin(), name.end(), same) != data + size) return -1;
    const fuzz::session_script script = fuzz::read_script(data, size);
    const fuzz::session_record record = fuzz::play(script);
    fuzz::check_session(record);
    return 0;
}
