// co_wq_races [BOUTS [NAME...]]: the races at full length. Prints a line per awaiter and backend; fails when a result,
// a byte, a connection or a descriptor is lost.
#include <charconv>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "arena.hpp"

namespace co_wq::storm {
namespace {

// Ends the program, with a name, when a race hangs.
class watchdog {
public:
    explicit watchdog(std::string what)
        : thread_([this, what] {
              std::unique_lock guard(lock_);
              if (changed_.wait_for(guard, std::chrono::minutes(10), [this] { return over_; })) return;
              std::printf("co_wq_races: %s hangs: a result is lost\n", what.c_str());
              std::fflush(stdout);
              std::abort();
          }) {}
    ~watchdog() {
        {
            const std::scoped_lock guard(lock_);
            over_ = true;
        }
        changed_.notify_one();
        thread_.join();
    }

private:
    std::mutex lock_;
    std::condition_variable changed_;
    bool over_ = false;
    std::thread thread_;
};

bool run_one(const race& which, io::reactor_kind kind, long bouts) {
    const watchdog guard(std::string(which.name) + " on " + io::name_of(kind));
    const std::size_t before = open_descriptors();
    const time_point started = steady_now();
    report seen = which.run(kind, bouts);
    if (const std::size_t after = open_descriptors(); after != before) {
        seen.lost += static_cast<long>(after > before ? after - before : before - after);
        if (seen.first_loss.empty()) seen.first_loss = "descriptors";
    }
    const double seconds = std::chrono::duration<double>(steady_now() - started).count();
    std::printf("%-24s %-6s %9ld %9ld %9ld %9ld %6ld %7.1f\n", which.name, io::name_of(kind), seen.races,
                seen.completed, seen.cancelled, seen.destroyed, seen.lost, seconds);
    if (seen.lost) std::printf("    first loss: %s\n", seen.first_loss.c_str());
    std::fflush(stdout);
    return seen.lost == 0 && seen.races == bouts;
}

int usage(const char* why) {
    std::fprintf(stderr, "co_wq_races: %s; usage: co_wq_races [BOUTS [NAME...]], names as in its table\n", why);
    return 2;
}

int run(int count, char** arguments) {
    long bouts = 100'000;
    if (count > 1) {
        const char* text = arguments[1];
        const char* end = text + std::strlen(text);
        const auto [rest, failure] = std::from_chars(text, end, bouts);
        if (failure != std::errc() || rest != end || bouts < 1) return usage("BOUTS is a number from 1 on");
    }
    std::vector<race> chosen;
    for (int i = 2; i < count; ++i) {
        const std::size_t before = chosen.size();
        for (const race& one : every_race())
            if (std::strcmp(one.name, arguments[i]) == 0) chosen.push_back(one);
        if (chosen.size() == before) return usage("no race has that name");
    }
    if (chosen.empty()) chosen = every_race();
    std::printf("%-24s %-6s %9s %9s %9s %9s %6s %7s\n", "awaiter", "on", "races", "completed", "cancelled", "destroyed",
                "lost", "seconds");
    bool good = true;
    for (const race& one : chosen)
        for (const io::reactor_kind kind : {io::reactor_kind::epoll, io::reactor_kind::uring})
            good = run_one(one, kind, bouts) && good;
    std::printf("%s\n", good ? "nothing was lost" : "SOMETHING WAS LOST");
    return good ? 0 : 1;
}

}  // namespace
}  // namespace co_wq::storm

int main(int count, char** arguments) { return co_wq::storm::run(count, arguments); }
