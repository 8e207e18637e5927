#include "sim/campaign.hpp"

#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <new>
#include <thread>

namespace co_wq::sim {
namespace {

// What a worker and its parent share.
struct desk {
    std::atomic<std::uint64_t> seed{0};  // being run
    std::atomic<std::uint64_t> next{0};  // of the block
    std::uint64_t end = 0;
    std::atomic<std::uint64_t> done{0}, operations{0}, late{0}, steps{0}, digest{0};
    char why[1024] = {};
};

struct office {
    std::atomic<std::uint64_t> next{0};  // seed nobody has taken yet
    desk desks[64];
};

// Ends with the process.
office& shared_office() {
    void* memory = ::mmap(nullptr, sizeof(office), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    return *::new (memory) office;
}

constexpr std::uint64_t block = 256;
constexpr int stuck_after_s = 60;

void work(scenario what, office& all, desk& mine, std::uint64_t end) {
    report_to(mine.why, sizeof mine.why);
    for (;;) {
        if (mine.next == mine.end) {
            const std::uint64_t from = all.next.fetch_add(block);
            if (from >= end) return;
            mine.end = std::min(end, from + block);
            mine.next = from;
        }
        const std::uint64_t seed = mine.next;
        mine.seed = seed;
        mine.next = seed + 1;  // whoever takes over goes on with the one after
        const outcome made = what({.seed = seed});
        mine.operations += made.operations;
        mine.late += made.late;
        mine.steps += made.steps;
        mine.digest += made.trace;
        mine.done += 1;
    }
}

// A fault's text belongs in the parent's report, once.
void hush() {
    if (std::freopen("/dev/null", "w", stderr) == nullptr) ::_exit(4);
}

pid_t start_worker(scenario what, office& all, desk& mine, std::uint64_t end) {
    std::fflush(stdout);
    const pid_t child = ::fork();
    if (child != 0) return child;
    hush();
    work(what, all, mine, end);
    ::_exit(0);
}

std::string reason_of(const desk& one, int status, bool stuck) {
    if (stuck) return "the run does not end";
    if (one.why[0]) return one.why;
    char text[64];
    if (WIFSIGNALED(status)) {
        std::snprintf(text, sizeof text, "signal %d (%s)", WTERMSIG(status), ::strsignal(WTERMSIG(status)));
    } else {
        std::snprintf(text, sizeof text, "exit status %d", WEXITSTATUS(status));
    }
    return text;
}

// Waits for any child; kills one whose seed has not changed for a minute.
class watch {
public:
    explicit watch(std::size_t count) : seen_(count), since_(count, std::chrono::steady_clock::now()) {}
    bool stuck(std::size_t which, std::uint64_t seed) {
        const auto now = std::chrono::steady_clock::now();
        if (seen_[which] != seed) {
            seen_[which] = seed;
            since_[which] = now;
        }
        return now - since_[which] > std::chrono::seconds(stuck_after_s);
    }

private:
    std::vector<std::uint64_t> seen_;
    std::vector<std::chrono::steady_clock::time_point> since_;
};

}  // namespace

range_result run_range(scenario what, std::uint64_t first, std::uint64_t count, unsigned workers,
                       std::size_t failures_max) {
    office& all = shared_office();
    workers = std::clamp(workers, 1u, 64u);
    const std::uint64_t end = first + count;
    all.next = first;
    std::vector<pid_t> children(workers);
    watch clock(workers);
    for (unsigned i = 0; i < workers; ++i) children[i] = start_worker(what, all, all.desks[i], end);
    range_result sum;
    for (unsigned running = workers; running > 0;) {
        ::poll(nullptr, 0, 10);
        for (unsigned i = 0; i < workers; ++i) {
            desk& one = all.desks[i];
            if (children[i] == 0) continue;
            const bool stuck = clock.stuck(i, one.seed);
            if (stuck) ::kill(children[i], SIGKILL);
            int status = 0;
            if (::waitpid(children[i], &status, stuck ? 0 : WNOHANG) == 0) continue;
            const bool failed = stuck || !WIFEXITED(status) || WEXITSTATUS(status) != 0;
            if (failed) sum.failures.push_back({one.seed, reason_of(one, status, stuck)});
            one.why[0] = 0;
            const bool goes_on = failed && sum.failures.size() < failures_max;
            children[i] = goes_on ? start_worker(what, all, one, end) : 0;
            if (!goes_on) --running;
            if (failed && !goes_on) all.next = end;
        }
    }
    for (unsigned i = 0; i < workers; ++i) {
        sum.done += all.desks[i].done;
        sum.operations += all.desks[i].operations;
        sum.late += all.desks[i].late;
        sum.steps += all.desks[i].steps;
        sum.digest += all.desks[i].digest;
    }
    std::sort(sum.failures.begin(), sum.failures.end(),
              [](const failure& a, const failure& b) { return a.seed < b.seed; });
    return sum;
}

namespace {

// Whether the run with these steps fails; steps: how long the script is.
bool fails(scenario what, std::uint64_t seed, const std::vector<unsigned>* only, std::uint64_t& steps) {
    static office& shared = shared_office();
    desk& mine = shared.desks[0];
    std::fflush(stdout);
    const pid_t child = ::fork();
    if (child == 0) {
        hush();
        ::alarm(stuck_after_s);
        report_to(mine.why, sizeof mine.why);
        script_length(&mine.steps);
        (void)what({.seed = seed, .only = only});
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    steps = mine.steps;
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

}  // namespace

// Leaves out ever smaller parts, as long as the rest still fails.
std::vector<unsigned> shrink(scenario what, std::uint64_t seed) {
    std::uint64_t length = 0;
    if (!fails(what, seed, nullptr, length)) return {};
    std::vector<unsigned> kept(static_cast<std::size_t>(length));
    for (unsigned i = 0; i < kept.size(); ++i) kept[i] = i;
    for (std::size_t part = std::max<std::size_t>(kept.size() / 2, 1); part > 0; part /= 2) {
        for (std::size_t at = 0; at < kept.size();) {
            std::vector<unsigned> fewer(kept);
            const auto from = fewer.begin() + static_cast<std::ptrdiff_t>(at);
            fewer.erase(from, from + static_cast<std::ptrdiff_t>(std::min(part, fewer.size() - at)));
            std::uint64_t ignored = 0;
            if (fails(what, seed, &fewer, ignored)) {
                kept = fewer;
            } else {
                at += part;
            }
        }
    }
    return kept;
}

}  // namespace co_wq::sim
