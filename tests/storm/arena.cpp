#include "arena.hpp"

#include <filesystem>

#include "sync/deadline.hpp"

namespace co_wq::storm {
namespace {

using namespace std::chrono_literals;

task<void> below_token(inplace_stop_token token, task<void> work) { co_await with_stop(token, std::move(work)); }
task<void> below_deadline(time_point when, task<void> work) { co_await with_deadline(when, std::move(work)); }

}  // namespace

const char* name_of(ending how) noexcept {
    static constexpr const char* names[] = {"scope", "stop token", "deadline", "destruction", "closing"};
    return names[static_cast<unsigned>(how)];
}

std::size_t open_descriptors() {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& one : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
    return count;
}

arena::arena(io::reactor_kind kind, long bouts)
    : loop_({.reactor = kind, .name = "arena"}), bouts_(bouts), partner_([this] {
          if (completes_) completes_();
      }) {}

arena::~arena() = default;

void arena::lose(const char* what) {
    if (report_.lost++ > 0) return;
    report_.first_loss = std::string(what) + ", bout " + std::to_string(report_.races) + ", cancelled by " +
                         name_of(how_) +
                         (words.won     ? ", completed"
                          : words.ended ? ", cancelled"
                                        : ", destroyed");
}

void arena::count() {
    ++report_.races;
    if (!words.ended) {
        ++report_.destroyed;
        check(how_ == ending::by_destruction, "a victim that nobody destroyed did not end");
    } else if (words.won) {
        ++report_.completed;
    } else {
        ++report_.cancelled;
        const errc given = how_ == ending::by_deadline  ? errc::timed_out
                           : how_ == ending::by_closing ? errc::closed
                                                        : errc::stopped;
        check(words.reason == given, "a victim ended for a reason that nobody gave");
    }
}

bool arena::next() {
    if (report_.races == bouts_ || report_.lost > 3) return false;  // a loss may cost seconds of waiting
    how_ = static_cast<ending>(report_.races % (close_ ? 5 : 4));
    words = {};
    return true;
}

// The halves of a turn, without ever sleeping.
void arena::turn() noexcept {
    loop_.run_ready();
    loop_.reactor().wait(time_point{});
}

int arena::take_turns(int most, const counting_scope& until_empty) noexcept {
    int taken = 0;
    for (; taken < most && !until_empty.empty(); ++taken) {
        turn();
        if (taken % 64 == 63) std::this_thread::yield();  // the partner may need this very core
    }
    return taken;
}

// The first tick of the timer queue that leaves time to get ready.
time_point arena::deadline_ahead() const noexcept {
    const auto at = (loop_.now() + 30us).time_since_epoch().count();
    const auto tick = timer_queue::tick.count();
    return time_point(duration((at / tick + 1) * tick));
}

void arena::fight(task<void> victim, std::function<void()> completes) {
    completes_ = std::move(completes);
    counting_scope scope(loop_);
    inplace_stop_source stop;
    time_point deadline{};
    if (how_ == ending::by_token) {
        scope.spawn(below_token(stop.get_token(), std::move(victim)), "victim");
    } else if (how_ == ending::by_deadline) {
        deadline = deadline_ahead();
        scope.spawn(below_deadline(deadline, std::move(victim)), "victim");
    } else {
        scope.spawn(std::move(victim), "victim");
    }
    random_ ^= random_ << 13, random_ ^= random_ >> 7, random_ ^= random_ << 17;
    int& usual = usual_[static_cast<std::size_t>(how_)];
    const int most = static_cast<int>(random_ % static_cast<unsigned>(2 * usual + 1));
    int taken = 0;
    over_ = false;
    if (completes_) turn();  // the kernel needs no head start
    if (how_ == ending::by_deadline) {
        while (loop_.now() + lead_ < deadline && !scope.empty()) turn();
        partner_.go();
    } else {
        partner_.go();
        taken = take_turns(most, scope);
        if (random_ & 1 << 20) loop_.run_ready();  // what came is served; otherwise it is posted and no more
        if (how_ == ending::by_scope) scope.request_stop();
        if (how_ == ending::by_token) stop.request_stop();
        if (how_ == ending::by_closing) close_();
        if (how_ == ending::by_destruction) scope.destroy_all();
    }
    loop_.run_until([&] { return scope.empty(); });
    over_ = true;
    partner_.join();
    if (how_ == ending::by_deadline) {
        lead_ = words.won ? lead_ - lead_ / 8 : std::min<duration>(lead_ + lead_ / 8 + 1ns, 25us);
    } else {
        usual = words.won ? (usual + taken + 1) / 2 : std::min(usual + usual / 8 + 1, 20'000);
    }
    count();
}

bool arena::eventually(const char* what, const std::function<bool()>& condition) {
    const time_point limit = loop_.now() + 5s;
    for (long turns = 0; !condition(); ++turns) {
        if (turns % 64 == 63 && loop_.now() > limit) {
            lose(what);
            return false;
        }
        turn();
    }
    return true;
}

void arena::settle() {
    eventually("an operation stayed in flight", [this] { return settled(); });
}

report arena::finish() {
    eventually("an operation is left", [this] { return loop_.slots().live() == 0; });
    const op_counters& books = loop_.slots().counters();
    check(books.started == books.finished + loop_.slots().live(), "started is not finished plus in flight");
    check(loop_.reactor().descriptors().live() == 0, "a descriptor is left");
    return report_;
}

const std::vector<race>& every_race() {
    static const std::vector<race> all = [] {
        std::vector<race> made = stream_races();
        made.insert(made.end(), waiting_races().begin(), waiting_races().end());
        made.insert(made.end(), file_races().begin(), file_races().end());
        made.insert(made.end(), system_races().begin(), system_races().end());
        return made;
    }();
    return all;
}

}  // namespace co_wq::storm
