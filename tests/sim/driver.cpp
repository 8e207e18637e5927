#include "sim/driver.hpp"

#include <algorithm>
#include <cstdio>

#include "sim/report.hpp"

namespace co_wq::sim {

namespace {
constexpr unsigned loops_max = 8;
constexpr std::uint64_t turns_max = 5'000'000;
}  // namespace

io::sim_options options_of_seed(std::uint64_t seed) {
    seeded_random dice(seed * 3 + 1);
    const auto one_of = [&dice](std::initializer_list<unsigned> values) {
        return static_cast<std::uint8_t>(values.begin()[dice.below(values.size())]);
    };
    io::sim_options chosen;
    chosen.seed = seed;
    chosen.latency_min = std::chrono::microseconds(dice.below(50));
    chosen.latency_max = chosen.latency_min + std::chrono::microseconds(dice.below(700));
    chosen.send_buffer_bytes = static_cast<std::uint32_t>(200 << dice.below(8));
    chosen.short_io = one_of({0, 64, 64, 160});
    chosen.spurious_events = one_of({0, 16, 64, 128});
    chosen.delayed_events = one_of({0, 64, 128});
    chosen.kernel_performed = one_of({0, 128, 128, 240});
    chosen.cancel_refused = one_of({0, 32, 128});
    chosen.no_buffers = one_of({0, 0, 0, 16});
    chosen.resets = one_of({0, 0, 0, 4});
    chosen.coincidences = one_of({0, 16, 128});
    return chosen;
}

void read_aloud(io::sim_clock& clock) {
    clock.trace().set_reader(
        [](void*, time_point when, std::string_view what, std::int64_t first, std::int64_t second) {
            const double ms = static_cast<double>(when.time_since_epoch().count()) / 1e6;
            std::printf("%12.6f ms  %-12.*s %lld %lld\n", ms, static_cast<int>(what.size()), what.data(),
                        static_cast<long long>(first), static_cast<long long>(second));
        },
        nullptr);
}

driver::driver(const io::sim_options& options) : network_(std::make_shared<io::sim_network>(options)) {
    places_.reserve(loops_max);
    set_dump([this] { dump(); });
}

// The last transitions of each loop's operations.
void driver::dump() {
    constexpr std::size_t shown = 40;
    for (place& one : places_) {
        if (!one.loop) continue;
        const std::vector<flight_record> all = one.loop->slots().recorder().snapshot();
        std::printf("%s: flight recorder, the last of %zu records\n", one.loop->name(), all.size());
        for (std::size_t at = all.size() > shown ? all.size() - shown : 0; at < all.size(); ++at)
            std::printf("  %10.3f ms  #%u.%u %-8s %-17s %d\n", static_cast<double>(all[at].microseconds) / 1000,
                        all[at].index, all[at].generation, name_of(all[at].kind), name_of(all[at].state),
                        all[at].result);
    }
}

driver::~driver() {
    set_dump({});
    for (unsigned index = 0; index < places_.size(); ++index)
        if (has_loop(index)) destroy_loop(index);
}

unsigned driver::add_loop(const char* name) {
    check(places_.size() < loops_max, "a simulation has a few loops");
    places_.emplace_back();
    place& made = places_.back();
    struct context {
        driver* self;
        place* made;
    } here{this, &made};
    made.loop = std::make_unique<io::event_loop>(
        io::loop_options{.name = name},
        +[](void* pointer, op_slab& slots) -> std::unique_ptr<io::reactor> {
            const auto& given = *static_cast<context*>(pointer);
            auto reactor = std::make_unique<io::reactor_sim>(slots, given.self->network_);
            reactor->set_host(given.self);
            given.made->reactor = reactor.get();
            return reactor;
        },
        &here);
    made.queue = made.loop.get();
    made.loop->disown();
    return static_cast<unsigned>(places_.size() - 1);
}

void driver::destroy_loop(unsigned index) {
    place& one = places_[index];
    one.dying = true;
    on(index, [&] { one.loop.reset(); });
    one.reactor = nullptr;
    check(one.ended, "a loop could not end its operations and leaked its memory");
    check(one.books.in_flight() == 0, "a loop ended with operations in flight");
}

void driver::ended(io::reactor_sim& who, const op_counters& books) noexcept {
    for (place& one : places_) {
        if (one.reactor != &who) continue;
        one.ended = true;
        one.books = books;
    }
}

// A queue belongs to whoever runs it now; all others see it as another thread's.
driver::place* driver::enter(place* next) noexcept {
    place* const before = std::exchange(active_, next);
    if (before && before->loop) before->loop->disown();
    if (next && next->loop) next->loop->adopt();
    return before;
}

void driver::wait(io::reactor_sim& who, time_point until) noexcept {
    for (place& one : places_) {
        if (one.reactor != &who) continue;
        one.until = until;
        if (!one.dying || who.has_news()) return;
        // its destructor waits for the kernel, or for another loop
        one.queue->disown();
        active_ = nullptr;
        (void)advance(std::max(until, clock().now()));
        active_ = &one;
        one.queue->adopt();
        return;
    }
}

bool driver::runnable(const place& one) const noexcept {
    if (!one.loop || one.dying) return false;
    return one.loop->ready() || one.reactor->has_news() || one.loop->has_messages() ||
           one.until <= network_->clock().now();
}

void driver::take_turn(place& one) {
    check(++turns_ < turns_max, "the world does not come to rest");
    place* const outer = enter(&one);
    one.loop->run_ready();
    one.loop->take_events();
    enter(outer);
}

// What is due while loops are busy.
void driver::catch_up() {
    while (clock().next_event() <= clock().now()) clock().step(clock().now());
}

bool driver::advance(time_point limit) {
    place* candidates[loops_max];
    std::size_t count = 0;
    for (place& one : places_)
        if (runnable(one)) candidates[count++] = &one;
    if (count > 0) {
        take_turn(*candidates[count == 1 ? 0 : random().below(count)]);
        clock().pass(duration(static_cast<std::int64_t>(random().below(10'000))));
        catch_up();
        return true;
    }
    time_point next = clock().next_event();
    for (const place& one : places_)
        if (one.loop && !one.dying) next = std::min(next, one.until);
    if (next > limit || next == no_deadline) {
        if (limit != no_deadline) (void)clock().step(std::max(limit, clock().now()));
        return false;
    }
    (void)clock().step(next);
    return true;
}

bool driver::run_until_quiet(time_point limit) {
    while (advance(limit)) {
    }
    for (const place& one : places_)
        if (one.loop && !one.dying && one.until != no_deadline) return false;
    return clock().next_event() == no_deadline;
}

}  // namespace co_wq::sim
