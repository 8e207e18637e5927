#include <cstdio>
#include <exception>
#include <fstream>

#include "base/log.hpp"
#include "io/signal.hpp"
#include "probe/options.hpp"
#include "probe/origin.hpp"
#include "probe/report.hpp"

namespace {

using namespace co_wq;
using namespace co_wq::probe;

// Before a minute is spent on what then cannot be written.
bool writable(const std::string& path) {
    if (path.empty() || std::ofstream(path, std::ios::app)) return true;
    std::fprintf(stderr, "co_probe: %s cannot be written\n", on_one_line(path).c_str());
    return false;
}

bool write(const std::string& path, const std::string& text) {
    if (path.empty()) return true;
    std::ofstream file(path, std::ios::trunc);
    file << text;
    file.close();
    if (!file) std::fprintf(stderr, "co_probe: %s could not be written\n", on_one_line(path).c_str());
    return static_cast<bool>(file);
}

findings measure(const options& chosen) {
    findings found;
    found.command = chosen.words;
    const auto label = [&](const std::string& text) { return chosen.quiet ? std::string() : text; };
    if (chosen.what == options::command::run) {
        found.measured.push_back(run_load(chosen.load, label(chosen.load.way.name())));
        return found;
    }
    load_options direct = chosen.load;
    direct.way.through.reset();
    direct.way.connect = false;
    for (unsigned round = 1; round <= chosen.rounds; ++round) {
        const std::string number = std::to_string(round) + "/" + std::to_string(chosen.rounds);
        found.direct.push_back(run_load(direct, label("direct " + number)));
        if (found.direct.back().interrupted) {
            if (round == 1) found.direct.swap(found.measured);  // what there is, as a run of its own
            if (round > 1) found.direct.pop_back();             // whole rounds only
            break;
        }
        found.measured.push_back(run_load(chosen.load, label("proxy " + number)));
        if (!found.measured.back().interrupted) continue;
        if (round > 1) {
            found.direct.pop_back();
            found.measured.pop_back();
        }
        break;
    }
    return found;
}

int run(int count, char** words) {
    options chosen;
    switch (parse_options(count, words, chosen)) {
        case parse_outcome::done: return 0;
        case parse_outcome::wrong: return 2;
        case parse_outcome::run: break;
    }
    log::set_level(log::level::warn);
    io::ignore_sigpipe();
    io::block_signals({io::signals::interrupt, io::signals::terminate});
    if (chosen.what == options::command::origin) return run_origin(chosen.origin);
    if (!writable(chosen.json) || !writable(chosen.html)) return 2;
    const findings found = measure(chosen);
    std::fputs(text_report(found).c_str(), stdout);
    std::fflush(stdout);
    bool written = true;
    if (!chosen.json.empty()) written = write(chosen.json, json_report(found)) && written;
    if (!chosen.html.empty()) written = write(chosen.html, html_report(found)) && written;
    return written ? exit_code(found) : 1;
}

}  // namespace

int main(int count, char** words) {
    try {
        return run(count, words);
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "co_probe: %s\n", failure.what());
        return 1;
    }
}
