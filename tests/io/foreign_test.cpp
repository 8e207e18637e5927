// foreign_descriptors and foreign_timer, driven by a library that behaves in every way a C library may.
#include "io/foreign.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "reactors.hpp"
#include "sync/sleep.hpp"
#include "task/yield.hpp"

namespace co_wq::io::test {
namespace {

using namespace std::chrono_literals;

// Counts its calls and does what the test says.
struct library {
    explicit library(event_loop& loop) { bridge.emplace(loop, &on_ready, this, "library"); }
    static void on_ready(void* self, native_handle handle, direction way) noexcept {
        auto& me = *static_cast<library*>(self);
        ++me.calls;
        (way == direction::read ? me.reads : me.writes) += 1;
        if (me.then) me.then(handle, way);
    }

    std::optional<foreign_descriptors> bridge;
    std::function<void(native_handle, direction)> then;
    int calls = 0, reads = 0, writes = 0;
};

template <class Condition>
task<bool> until(Condition condition) {
    for (int i = 0; i < 500'000; ++i) {
        if (condition()) co_return true;
        if (i % 50 < 49) {
            co_await yield();
        } else {
            (void)co_await sleep_for(1ms);
        }
    }
    co_return false;
}

task<void> turns(int count) {
    for (int i = 0; i < count; ++i) co_await yield();
}

// Two ends of a stream that is the library's own, not the loop's.
struct ends {
    socket_calls& calls;
    native_handle near = no_handle, far = no_handle;
    explicit ends(event_loop& loop) : calls(loop.reactor().calls()) {
        if (auto* simulated = dynamic_cast<reactor_sim*>(&loop.reactor())) {
            std::tie(near, far) = simulated->network().open_pair();
        } else {
            std::tie(near, far) = *calls.open_local_pair();
        }
    }
    ends(const ends&) = delete;
    ~ends() {
        if (near != no_handle) calls.close(near);
        if (far != no_handle) calls.close(far);
    }
    void close(native_handle& one) { calls.close(std::exchange(one, no_handle)); }
    void say(std::string_view text) {
        while (!text.empty()) {
            const std::int32_t sent = calls.send_now(far, as_bytes(text));
            ASSERT_GT(sent, 0);
            text.remove_prefix(static_cast<std::size_t>(sent));
        }
    }
    std::string hear(std::size_t most) {
        std::string text(most, '\0');
        const std::int32_t got = calls.receive_now(near, as_writable_bytes(std::span(text)), nullptr);
        text.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
        return text;
    }
};

class foreign : public on_every_reactor {
protected:
    bool simulated() const { return GetParam().kind == reactor_kind::sim; }
    void TearDown() override {
        expect_quiet();
        EXPECT_EQ(loop->reactor().descriptors().live(), 0u);
        loop.destroy();
    }
    // Runs it, then waits until nothing of the bridge is left.
    void run(task<void> body) {
        loop->run(std::move(body));
        loop->run(emptied(*loop));
    }
    static task<void> emptied(event_loop& here) {
        const bool empty = co_await until([&here] { return here.reactor().descriptors().live() == 0; });
        EXPECT_TRUE(empty);
    }
};

TEST_P(foreign, a_library_that_leaves_bytes_unread_is_called_again) {
    ends pair(*loop);
    library lib(*loop);
    std::string heard;
    lib.then = [&](native_handle, direction) { heard += pair.hear(1); };
    static constexpr auto body = [](ends& with, library& of, std::string& text) -> task<void> {
        EXPECT_TRUE(of.bridge->set(with.near, {.read = true}).has_value());
        with.say("level");
        EXPECT_TRUE(co_await until([&text] { return text == "level"; }));
        const int before = of.calls;
        co_await turns(50);
        (void)co_await sleep_for(2ms);
        EXPECT_LE(of.calls, before + 1);  // nothing is there: no call
        with.say("!");
        EXPECT_TRUE(co_await until([&text] { return text == "level!"; }));
        of.bridge.reset();
    };
    run(body(pair, lib, heard));
}

TEST_P(foreign, one_that_never_reads_starves_neither_timers_nor_others) {
    ends pair(*loop), other(*loop);
    library lib(*loop), polite(*loop);
    std::string heard;
    polite.then = [&](native_handle, direction) { heard += other.hear(64); };
    static constexpr auto body = [](ends& with, library& of, ends& second, library& quiet,
                                    std::string& text) -> task<void> {
        (void)of.bridge->set(with.near, {.read = true});
        (void)quiet.bridge->set(second.near, {.read = true});
        with.say("never read");
        EXPECT_TRUE(co_await until([&of] { return of.calls > 1000; }));  // slept meanwhile: timers ran
        second.say("served");
        EXPECT_TRUE(co_await until([&text] { return text == "served"; }));
        // between two calls every other ready task has its turn
        const int before = of.calls;
        co_await turns(100);
        EXPECT_LE(of.calls, before + 101);
        of.bridge.reset();
        quiet.bridge.reset();
    };
    run(body(pair, lib, other, polite, heard));
}

TEST_P(foreign, write_is_told_while_there_is_room_and_both_directions_by_themselves) {
    if (simulated()) GTEST_SKIP() << "its room is another";
    ends pair(*loop);
    library lib(*loop);
    static constexpr auto body = [](ends& with, library& of) -> task<void> {
        (void)of.bridge->set(with.near, {.write = true});
        EXPECT_TRUE(co_await until([&of] { return of.writes > 3; }));
        EXPECT_EQ(of.reads, 0);
        const std::vector<std::byte> many(4096);
        while (with.calls.send_now(with.near, many) > 0) {
        }
        co_await turns(5);
        const int full = of.writes;
        (void)co_await sleep_for(2ms);
        EXPECT_LE(of.writes, full + 1);
        with.say("x");
        (void)of.bridge->set(with.near, {.read = true, .write = true});
        EXPECT_TRUE(co_await until([&of] { return of.reads > 0; }));
        EXPECT_LE(of.writes, full + 1);
        (void)of.bridge->set(with.near, {.read = true});
        std::vector<std::byte> into(1 << 20);
        for (int i = 0; i < 200; ++i) {
            while (with.calls.receive_now(with.far, into, nullptr) > 0) {
            }
            (void)co_await sleep_for(10us);
        }
        EXPECT_LE(of.writes, full + 1);  // not wanted any more
        of.bridge.reset();
    };
    run(body(pair, lib));
}

TEST_P(foreign, an_end_and_a_close_of_the_other_side_are_told) {
    ends pair(*loop);
    library lib(*loop);
    static constexpr auto body = [](ends& with, library& of) -> task<void> {
        (void)of.bridge->set(with.near, {.read = true});
        (void)co_await sleep_for(1ms);
        EXPECT_EQ(of.calls, 0);
        with.close(with.far);
        EXPECT_TRUE(co_await until([&of] { return of.reads > 2; }));
        of.bridge->remove(with.near);
        const int before = of.calls;
        (void)co_await sleep_for(1ms);
        EXPECT_EQ(of.calls, before);
        EXPECT_EQ(of.bridge->size(), 0u);
    };
    run(body(pair, lib));
}

TEST_P(foreign, a_call_may_remove_itself_and_others_that_are_ready) {
    ends first(*loop), second(*loop);
    library lib(*loop);
    lib.then = [&](native_handle, direction) {
        lib.bridge->remove(first.near);
        lib.bridge->remove(second.near);
    };
    static constexpr auto body = [](ends& one, ends& two, library& of) -> task<void> {
        one.say("x");
        two.say("y");
        (void)co_await sleep_for(5ms);  // both are ready before anybody is called
        (void)of.bridge->set(one.near, {.read = true, .write = true});
        (void)of.bridge->set(two.near, {.read = true, .write = true});
        EXPECT_TRUE(co_await until([&of] { return of.calls > 0; }));
        (void)co_await sleep_for(2ms);
        EXPECT_EQ(of.calls, 1);
        EXPECT_EQ(of.bridge->size(), 0u);
    };
    run(body(first, second, lib));
}

TEST_P(foreign, a_call_may_add_itself_anew) {
    ends pair(*loop);
    library lib(*loop);
    lib.then = [&](native_handle handle, direction) {
        if (lib.calls < 10) {
            EXPECT_TRUE(lib.bridge->add(handle, {.read = true, .write = lib.calls % 2 == 0}));
        }
        if (lib.calls >= 10) lib.bridge->remove(handle);
    };
    static constexpr auto body = [](ends& with, library& of) -> task<void> {
        with.say("x");
        (void)of.bridge->set(with.near, {.read = true});
        EXPECT_TRUE(co_await until([&of] { return of.calls == 10; }));
        (void)co_await sleep_for(1ms);
        EXPECT_EQ(of.calls, 10);
    };
    run(body(pair, lib));
}

TEST_P(foreign, a_call_may_destroy_the_bridge) {
    ends first(*loop), second(*loop);
    library lib(*loop);
    lib.then = [&](native_handle, direction) { lib.bridge.reset(); };
    static constexpr auto body = [](ends& one, ends& two, library& of) -> task<void> {
        one.say("x");
        two.say("y");
        (void)of.bridge->set(one.near, {.read = true, .write = true});
        (void)of.bridge->set(two.near, {.read = true, .write = true});
        EXPECT_TRUE(co_await until([&of] { return !of.bridge; }));
        (void)co_await sleep_for(2ms);
        EXPECT_EQ(of.calls, 1);
    };
    run(body(first, second, lib));
}

// ... at any moment: while it waits, when it is ready and not called yet, between two calls.
TEST_P(foreign, a_bridge_that_dies_calls_nobody) {
    for (int step = 0; step < 12; ++step) {
        ends pair(*loop);
        library lib(*loop);
        static constexpr auto body = [](ends& with, library& of, int after) -> task<void> {
            (void)of.bridge->set(with.near, {.read = true, .write = after % 2 == 0});
            with.say("x");
            co_await turns(after);
            of.bridge.reset();
            const int before = of.calls;
            (void)co_await sleep_for(2ms);
            EXPECT_EQ(of.calls, before);
        };
        run(body(pair, lib, step));
    }
}

// The library closes first and tells later; meanwhile the loop itself got the number.
TEST_P(foreign, a_number_that_the_loop_got_meanwhile_is_not_touched) {
    ends mine(*loop);
    library lib(*loop);
    static constexpr auto body = [](event_loop& here, ends& with, library& of) -> task<void> {
        (void)of.bridge->set(with.near, {.read = true});
        (void)co_await sleep_for(1ms);
        const native_handle number = with.near;
        with.close(with.near);
        ends next(here);
        EXPECT_EQ(next.near, number);
        socket ours(here, next.near, descriptor_kind::stream);
        next.near = no_handle;
        counting_scope scope(here);
        std::string text;
        static constexpr auto listen = [](const socket& on, std::string& into) -> task<void> {
            std::byte room[8];
            for (result<std::size_t> got = 1; got && *got > 0 && into.size() < 4;) {
                got = co_await on.recv(room);
                if (got) into += as_text(const_bytes(room).first(*got));
            }
        };
        scope.spawn(listen(ours, text), "listen");
        (void)co_await sleep_for(1ms);
        of.bridge->remove(number);
        (void)co_await sleep_for(1ms);
        next.say("ours");
        EXPECT_TRUE(co_await until([&text] { return text == "ours"; }));
        co_await scope.join();
    };
    run(body(*loop, mine, lib));
}

TEST_P(foreign, one_closed_without_a_word_is_added_again_under_its_number) {
    ends mine(*loop);
    library lib(*loop);
    static constexpr auto body = [](event_loop& here, ends& with, library& of) -> task<void> {
        (void)of.bridge->set(with.near, {.read = true});
        (void)co_await sleep_for(1ms);
        const native_handle number = with.near;
        with.close(with.near);
        ends next(here);
        EXPECT_EQ(next.near, number);
        EXPECT_TRUE(of.bridge->add(number, {.read = true}).has_value());
        EXPECT_EQ(of.bridge->size(), 1u);
        const int before = of.calls;
        (void)co_await sleep_for(1ms);
        EXPECT_EQ(of.calls, before);
        next.say("x");
        EXPECT_TRUE(co_await until([&of, before] { return of.calls > before; }));
        of.bridge.reset();
    };
    run(body(*loop, mine, lib));
}

TEST_P(foreign, an_unknown_number_is_refused_and_nothing_wanted_is_nothing) {
    library lib(*loop);
    const native_handle wrong = 100'000;
    EXPECT_EQ(lib.bridge->add(wrong, {.read = true}).error(), errc::closed);
    EXPECT_EQ(lib.bridge->set(wrong, {.write = true}).error(), errc::closed);
    EXPECT_TRUE(lib.bridge->set(wrong, {}).has_value());
    lib.bridge->remove(wrong);
    EXPECT_EQ(lib.bridge->size(), 0u);
    EXPECT_FALSE(lib.bridge->falls_back(wrong));
}

TEST_P(foreign, nothing_wakes_the_loop_while_nothing_is_ready) {
    if (simulated()) GTEST_SKIP() << "virtual time";
    ends pair(*loop);
    library lib(*loop);
    static constexpr auto body = [](event_loop& here, ends& with, library& of) -> task<void> {
        (void)of.bridge->set(with.near, {.read = true});
        (void)co_await sleep_for(2ms);
        const std::uint64_t before = here.turns();
        (void)co_await sleep_for(20ms);
        EXPECT_LE(here.turns(), before + 6);
        of.bridge.reset();
    };
    run(body(*loop, pair, lib));
}

// ---- real descriptors only

TEST_P(foreign, a_regular_file_falls_back_and_is_paced) {
    if (simulated()) GTEST_SKIP() << "descriptors of the system";
    std::FILE* file = std::tmpfile();
    ASSERT_NE(file, nullptr);
    library lib(*loop);
    static constexpr auto body = [](event_loop& here, native_handle on, library& of) -> task<void> {
        EXPECT_TRUE(of.bridge->set(on, {.read = true}).has_value());
        EXPECT_TRUE(of.bridge->falls_back(on));
        const time_point start = here.now();
        EXPECT_TRUE(co_await until([&of] { return of.calls >= 10; }));
        EXPECT_GE(here.now() - start, 9 * foreign_descriptors::fallback_interval);
        of.bridge->remove(on);
        const int before = of.calls;
        (void)co_await sleep_for(5ms);
        EXPECT_EQ(of.calls, before);
    };
    run(body(*loop, ::fileno(file), lib));
    std::fclose(file);
}

TEST_P(foreign, other_kinds_of_files_are_waited_for) {
    if (simulated()) GTEST_SKIP() << "descriptors of the system";
    const int counter = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    const int folder = ::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    library lib(*loop);
    static constexpr auto body = [](int event, int directory, library& of) -> task<void> {
        (void)of.bridge->set(event, {.read = true});
        (void)of.bridge->set(directory, {.read = true});
        EXPECT_FALSE(of.bridge->falls_back(event));
        EXPECT_TRUE(of.bridge->falls_back(directory));
        of.bridge->remove(directory);
        (void)co_await sleep_for(1ms);
        EXPECT_EQ(of.calls, 0);
        EXPECT_EQ(::eventfd_write(event, 1), 0);
        EXPECT_TRUE(co_await until([&of] { return of.calls > 2; }));
        of.bridge.reset();
    };
    run(body(counter, folder, lib));
    ::close(counter);
    ::close(folder);
}

// poll(2) says POLLNVAL; a library that only asks would turn for ever.
TEST_P(foreign, one_closed_without_a_word_is_called_a_last_time) {
    if (simulated()) GTEST_SKIP() << "descriptors of the system";
    ends pair(*loop);
    library lib(*loop);
    lib.then = [&](native_handle, direction) {
        if (lib.calls == 3) pair.close(pair.near);
    };
    static constexpr auto body = [](ends& with, library& of) -> task<void> {
        with.say("x");
        (void)of.bridge->set(with.near, {.read = true});
        EXPECT_TRUE(co_await until([&of] { return of.calls == 4; }));
        (void)co_await sleep_for(2ms);
        EXPECT_EQ(of.calls, 4);
        EXPECT_EQ(of.bridge->size(), 0u);
    };
    run(body(pair, lib));
}

TEST_P(foreign, a_last_call_may_destroy_the_bridge) {
    if (simulated()) GTEST_SKIP() << "descriptors of the system";
    ends pair(*loop);
    library lib(*loop);
    lib.then = [&](native_handle, direction) {
        if (lib.calls == 1) pair.close(pair.near);
        if (lib.calls == 2) lib.bridge.reset();
    };
    static constexpr auto body = [](ends& with, library& of) -> task<void> {
        with.say("x");
        (void)of.bridge->set(with.near, {.read = true});
        EXPECT_TRUE(co_await until([&of] { return !of.bridge; }));
        EXPECT_EQ(of.calls, 2);
    };
    run(body(pair, lib));
}

TEST_P(foreign, chaos_takes_no_call_away) {
    loop_under_test wild(GetParam(), {.seed = 7, .rate = 0.5});
    {
        ends pair(*wild);
        library lib(*wild);
        std::string heard;
        lib.then = [&](native_handle, direction) { heard += pair.hear(1); };
        static constexpr auto body = [](ends& with, library& of, std::string& text) -> task<void> {
            (void)of.bridge->set(with.near, {.read = true});
            for (int i = 0; i < 50; ++i) {
                with.say("x");
                EXPECT_TRUE(co_await until([&text, i] { return std::ssize(text) == i + 1; }));
            }
            of.bridge.reset();
        };
        wild->run(body(pair, lib, heard));
        wild->run(emptied(*wild));
    }
    wild.destroy();
}

// ---- timers

struct clock_user {
    explicit clock_user(event_loop& on) : loop(on) { timer.emplace(on, &on_time, this); }
    static void on_time(void* self) noexcept {
        auto& me = *static_cast<clock_user*>(self);
        me.at.push_back(me.loop.now());
        if (me.then) me.then();
    }
    event_loop& loop;
    std::optional<foreign_timer> timer;
    std::function<void()> then;
    std::vector<time_point> at;
};

TEST_P(foreign, a_timer_calls_once_for_each_time_it_is_set) {
    clock_user user(*loop);
    static constexpr auto body = [](event_loop& here, clock_user& of) -> task<void> {
        const time_point start = here.now();
        of.timer->set(2ms);
        of.timer->set(1ms);  // replaces
        EXPECT_TRUE(of.timer->is_set());
        (void)co_await sleep_for(5ms);
        EXPECT_EQ(of.at.size(), 1u);
        EXPECT_FALSE(of.timer->is_set());
        if (!of.at.empty()) {
            EXPECT_GE(of.at[0], start + 1ms);
        }
        of.timer->set(1ms);
        of.timer->cancel();
        (void)co_await sleep_for(3ms);
        EXPECT_EQ(of.at.size(), 1u);
        of.timer->set_at(start);  // in the past
        EXPECT_TRUE(co_await until([&of] { return of.at.size() == 2; }));
        of.timer->set_at(no_deadline);
        EXPECT_FALSE(of.timer->is_set());
    };
    run(body(*loop, user));
}

TEST_P(foreign, a_timer_may_set_itself_again_and_die_in_its_call) {
    clock_user user(*loop);
    user.then = [&] {
        if (user.at.size() < 5) return user.timer->set(duration(0));
        user.timer.reset();
    };
    static constexpr auto body = [](clock_user& of) -> task<void> {
        of.timer->set(duration(0));
        EXPECT_TRUE(co_await until([&of] { return !of.timer; }));
        EXPECT_EQ(of.at.size(), 5u);
    };
    run(body(user));
}

TEST_P(foreign, a_timer_may_destroy_the_bridge) {
    ends pair(*loop);
    library lib(*loop);
    clock_user user(*loop);
    user.then = [&] { lib.bridge.reset(); };
    static constexpr auto body = [](ends& with, library& of, clock_user& clock) -> task<void> {
        with.say("x");
        (void)of.bridge->set(with.near, {.read = true, .write = true});
        clock.timer->set(1ms);
        EXPECT_TRUE(co_await until([&of] { return !of.bridge; }));
        const int before = of.calls;
        (void)co_await sleep_for(1ms);
        EXPECT_EQ(of.calls, before);
    };
    run(body(pair, lib, user));
}

INSTANTIATE_TEST_SUITE_P(reactors, foreign, every_reactor, name_of_case);

}  // namespace
}  // namespace co_wq::io::test
