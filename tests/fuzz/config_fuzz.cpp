// The config file: any text is read as settings that hold together, of which an engine can be made, or explained as
// wrong, each problem in one line with a place in the file. Input: the text.
#include <algorithm>

#include "fuzzing.hpp"
#include "proxy/config/config_file.hpp"
#include "proxy/policy/engine.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace co_wq;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (text.find("file") != text.npos) return 0;  // users' files are read from the disk
    const auto seen = [&] { return fuzz::shown(text); };
    proxy::options chosen;
    proxy::config::problems wrong;
    proxy::config::load_text(text, "fuzz.toml", "/nowhere", chosen, wrong);
    const auto lines = static_cast<std::uint32_t>(std::count(text.begin(), text.end(), '\n')) + 1;
    for (const proxy::config::problem& each : wrong) {
        const std::string told = each.text();
        fuzz::demand(each.line >= 1 && each.line <= lines, "a line of the file", seen);
        fuzz::demand(each.column >= 1, "a column", seen);
        fuzz::demand(!each.what.empty(), "it says what", seen);
        fuzz::demand(std::none_of(told.begin(), told.end(), [](char c) { return (c >= 0 && c < 0x20) || c == 0x7f; }),
                     "one line, and nothing that moves a terminal's cursor", seen);
    }
    if (!wrong.empty()) return 0;
    for (const proxy::policy::listener& each : chosen.rules.listeners)
        fuzz::demand(!proxy::policy::serves_everybody(chosen.rules, each), "others are served only if asked for", seen);
    fuzz::demand(chosen.limit.header_timeout > duration::zero(), "times are positive", seen);
    const proxy::policy::engine rules(chosen.rules);
    const io::socket_address inner = io::socket_address::ipv4({10, 0, 0, 1}, 443);
    for (std::uint32_t listener = 0; listener <= chosen.rules.listeners.size(); ++listener) {
        const proxy::policy::question what{.listener = listener, .method = "CONNECT", .host = "a.example", .port = 443};
        const proxy::policy::decision first = rules.admit(what);
        const proxy::policy::decision second = rules.admit_address(what, inner);
        fuzz::demand(!first.rule.empty() && !second.rule.empty(), "something decided", seen);
        fuzz::demand(first.allowed() || first.by_address || !second.allowed(), "a denied name stays denied", seen);
        fuzz::demand(!chosen.rules.sandbox || second.reported || !second.allowed() || text.find("10.") != text.npos ||
                         text.find("/") != text.npos,
                     "a sandbox keeps private networks out", seen);
    }
    return 0;
}
