// co_wq_sim: runs simulations of the runtime by seed. ./dev sim calls it.
#include <malloc.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "sim/campaign.hpp"
#include "sim/lifetime/scenario.hpp"
#include "sim/proxy/scenario.hpp"
#include "sim/selftest.hpp"

namespace {

using namespace co_wq::sim;

struct kind {
    const char* name;
    scenario run;
    std::uint64_t standard;  // seeds, when no range is given; 0: only when named
};

constexpr kind kinds[] = {
    {"lifetime", &lifetime::run, 1'000'000}, {"proxy", &proxy::run, 2'000}, {"selftest", &selftest::run, 0}};

struct order {
    const kind* what = nullptr;  // null: all kinds
    std::optional<std::uint64_t> seed;
    std::uint64_t first = 1;
    std::optional<std::uint64_t> count;
    std::vector<unsigned> steps;
    unsigned jobs = std::max(1u, std::thread::hardware_concurrency());
};

constexpr const char* usage =
    "usage: co_wq_sim [lifetime|proxy] [--first-seed N] [--seeds K] [--jobs J]   runs a range; both kinds: the "
    "standard one\n"
    "       co_wq_sim [lifetime|proxy] --seed N [--steps A,B,...]                replays one run with its trace\n";

[[noreturn]] void wrong(const std::string& why) {
    std::fprintf(stderr, "co_wq_sim: %s; --help says how\n", why.c_str());
    std::exit(2);
}

template <class Number>
Number number(std::string_view option, std::string_view text, Number least, Number most) {
    Number value{};
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failed != std::errc{} || end != text.data() + text.size() || value < least || value > most)
        wrong(std::string(option) + " takes a number from " + std::to_string(least) + " to " + std::to_string(most) +
              ", not '" + std::string(text) + "'");
    return value;
}

std::vector<unsigned> step_list(std::string_view text) {
    std::vector<unsigned> steps;
    while (!text.empty()) {
        const std::size_t comma = std::min(text.find(','), text.size());
        steps.push_back(number<unsigned>("--steps", text.substr(0, comma), 0, 100'000));
        text.remove_prefix(std::min(comma + 1, text.size()));
    }
    return steps;
}

order read_order(int count, char** words) {
    constexpr std::uint64_t most = 1'000'000'000'000;
    order made;
    for (int i = 1; i < count; ++i) {
        const std::string_view word = words[i];
        if (word == "--help" || word == "-h") {
            std::fputs(usage, stdout);
            std::exit(0);
        }
        if (!word.starts_with("-")) {
            if (made.what) wrong("one kind of run at a time, not also '" + std::string(word) + "'");
            for (const kind& one : kinds)
                if (word == one.name) made.what = &one;
            if (!made.what) wrong("there are runs of lifetime and proxy, none of '" + std::string(word) + "'");
            continue;
        }
        const bool known =
            word == "--seed" || word == "--first-seed" || word == "--seeds" || word == "--jobs" || word == "--steps";
        if (!known) wrong("no option '" + std::string(word) + "'");
        if (++i == count) wrong(std::string(word) + " needs a value");
        const std::string_view value = words[i];
        if (word == "--seed") made.seed = number<std::uint64_t>(word, value, 0, most);
        if (word == "--first-seed") made.first = number<std::uint64_t>(word, value, 0, most);
        if (word == "--seeds") made.count = number<std::uint64_t>(word, value, 1, most);
        if (word == "--jobs") made.jobs = number<unsigned>(word, value, 1, 64);
        if (word == "--steps") made.steps = step_list(value);
    }
    if (made.seed && made.count) wrong("--seed replays one run, --seeds runs a range: not both");
    if (!made.seed && !made.steps.empty()) wrong("--steps belongs to --seed");
    return made;
}

int replay(const kind& what, const order& wanted) {
    const auto* only = wanted.steps.empty() ? nullptr : &wanted.steps;
    fail_aloud();
    const outcome made = what.run({.seed = *wanted.seed, .only = only, .aloud = true});
    std::printf("%s seed %llu: ok, %llu operations, trace %016llx\n", what.name,
                static_cast<unsigned long long>(*wanted.seed), static_cast<unsigned long long>(made.operations),
                static_cast<unsigned long long>(made.trace));
    return 0;
}

void explain(const kind& what, const failure& first) {
    const std::vector<unsigned> steps = shrink(what.run, first.seed);
    std::string list;
    for (const unsigned one : steps) list += (list.empty() ? "" : ",") + std::to_string(one);
    std::printf(
        "%s seed %llu shrinks to %zu steps. Replay, also under a debugger (CO_WQ_DEBUGGER='gdb --args'):\n"
        "  ./dev sim %s --seed %llu%s%s\n",
        what.name, static_cast<unsigned long long>(first.seed), steps.size(), what.name,
        static_cast<unsigned long long>(first.seed), list.empty() ? "" : " --steps ", list.c_str());
}

int run(const kind& what, const order& wanted) {
    const auto began = std::chrono::steady_clock::now();
    const range_result sum = run_range(what.run, wanted.first, wanted.count.value_or(what.standard), wanted.jobs);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    for (const failure& one : sum.failures)
        std::printf("%s seed %llu FAILED: %s\n", what.name, static_cast<unsigned long long>(one.seed), one.why.c_str());
    if (!sum.failures.empty()) explain(what, sum.failures.front());
    std::printf(
        "%s: %llu seeds from %llu, %zu failed; %llu steps, %llu operations, %llu late completions; "
        "%.1f s, %.0f seeds/s; digest %016llx\n",
        what.name, static_cast<unsigned long long>(sum.done), static_cast<unsigned long long>(wanted.first),
        sum.failures.size(), static_cast<unsigned long long>(sum.steps),
        static_cast<unsigned long long>(sum.operations), static_cast<unsigned long long>(sum.late), seconds,
        static_cast<double>(sum.done) / seconds, static_cast<unsigned long long>(sum.digest));
    std::fflush(stdout);
    return sum.failures.empty() ? 0 : 1;
}

}  // namespace

int main(int count, char** words) {
    const order wanted = read_order(count, words);
    // memory of one run serves the next
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    if (wanted.seed) return replay(wanted.what ? *wanted.what : kinds[0], wanted);
    int status = 0;
    for (const kind& one : kinds)
        if (wanted.what ? wanted.what == &one : one.standard > 0) status |= run(one, wanted);
    return status;
}
