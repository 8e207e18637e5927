// Devices on libusb and a loop, with a device of umockdev's (mock_device.hpp). Its file refuses epoll, so that the
// bridge's fallback is at work in all of these; the guest (guest/) has the real thing.
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "io/usb/context.hpp"
#include "mock_device.hpp"
#include "sync/deadline.hpp"
#include "sync/sleep.hpp"
#include "task/scope.hpp"
#include "task/yield.hpp"

namespace co_wq::io::usb::test {
namespace {

using namespace std::chrono_literals;

class usb : public testing::TestWithParam<reactor_kind> {
protected:
    usb() : loop(loop_options{.reactor = GetParam(), .name = "test"}) { stick().reset(); }
    ~usb() override { stick().keep_cancelled(false); }
    static mock_device& stick() { return device_under_test(); }

    event_loop loop;
};

std::string text_of(const transfer_result& got) {
    return got ? "ok " + std::string(as_text(got.data())) : got.error().message();
}

// The device of the test; its open file is what a test holds of it.
result<device> find(const context& in) {
    const result<std::vector<device>> all = in.devices();
    if (!all) return std::unexpected(all.error());
    for (const device& one : *all)
        if (one.vendor() == 0x6b09) return one;
    return fail(errc::not_found);
}

open_device open_stick(const context& in) {
    const result<device> found = find(in);
    EXPECT_TRUE(found.has_value());
    if (!found) return {};
    result<open_device> made = found->open();
    EXPECT_TRUE(made.has_value()) << made.error().message();
    if (!made) return {};
    EXPECT_TRUE(made->claim(0).has_value());
    return std::move(*made);
}

template <class Condition>
task<bool> until(Condition condition) {
    for (int i = 0; i < 10'000; ++i) {
        if (condition()) co_return true;
        (void)co_await sleep_for(1ms);
    }
    co_return false;
}

task<std::string> read_bulk(const open_device& from, std::size_t most, duration limit = {}) {
    const transfer_result got = co_await from.bulk_in(loop_in, transfer_buffer(most), limit);
    co_return text_of(got);
}

task<void> keep(task<std::string> work, std::string& into) {
    std::string got = co_await std::move(work);
    into = std::move(got);
}

TEST_P(usb, devices_are_listed) {
    static constexpr auto body = [](event_loop& here) -> task<void> {
        const result<context> made = context::open(here);
        EXPECT_TRUE(made.has_value());
        const result<device> found = find(*made);
        EXPECT_TRUE(found.has_value());
        if (!found) co_return;
        EXPECT_EQ(found->product(), 2);
        EXPECT_EQ(found->bus(), 1);
        EXPECT_EQ(found->address(), 2);
        EXPECT_EQ(found->speed(), speed::high);
        EXPECT_EQ(found->device_class(), 0xff);
        device copy(*found);
        copy = *found;
        EXPECT_EQ(copy, *found);
        EXPECT_EQ(copy.path(), found->path());
        const result<std::vector<endpoint>> ends = found->endpoints();
        EXPECT_TRUE(ends && ends->size() == 3);
        if (!ends || ends->size() != 3) co_return;
        EXPECT_EQ((*ends)[0].address, loop_in);
        EXPECT_TRUE((*ends)[0].is_in() && !(*ends)[1].is_in());
        EXPECT_EQ((*ends)[1].kind, endpoint_kind::bulk);
        EXPECT_EQ((*ends)[2].kind, endpoint_kind::interrupt);
        EXPECT_EQ((*ends)[2].packet_max, 8);
    };
    loop.run(body(loop));
}

TEST_P(usb, bytes_go_out_and_come_back) {
    static constexpr auto body = [](event_loop& here) -> task<void> {
        const result<context> made = context::open(here);
        const open_device pen = open_stick(*made);
        transfer_buffer buffer(as_bytes(std::string_view("round and round")));
        for (int i = 0; i < 50; ++i) {
            transfer_result sent = co_await pen.bulk_out(loop_out, std::move(buffer));
            EXPECT_TRUE(sent);
            EXPECT_EQ(sent.moved(), 15u);
            transfer_result got = co_await pen.bulk_in(loop_in, sent.take_buffer());
            EXPECT_EQ(text_of(got), "ok round and round");
            buffer = got.take_buffer();
            EXPECT_EQ(buffer.size(), 15u);
        }
        const std::string big(200'000, 'b');
        const transfer_result sent = co_await pen.bulk_out(loop_out, transfer_buffer(as_bytes(std::string_view(big))));
        EXPECT_EQ(sent.moved(), big.size());
        std::string back;
        while (back.size() < big.size()) {
            const transfer_result got = co_await pen.bulk_in(loop_in, transfer_buffer(65536));
            if (!got) break;
            back += as_text(got.data());
        }
        EXPECT_EQ(back, big);
    };
    loop.run(body(loop));
}

TEST_P(usb, control_transfers_carry_data_both_ways_and_refusals) {
    static constexpr auto body = [](event_loop& here) -> task<void> {
        const result<context> made = context::open(here);
        const open_device pen = open_stick(*made);
        const transfer_result got = co_await pen.control({0xc0, request_pattern, 5, 2}, transfer_buffer(100));
        EXPECT_EQ(text_of(got), "ok cdefg");
        const transfer_result put =
            co_await pen.control({0x40, request_kept, 0, 0}, transfer_buffer(as_bytes(std::string_view("settings"))));
        EXPECT_TRUE(put);
        EXPECT_EQ(stick().kept(), "settings");
        const transfer_result empty = co_await pen.control({0x40, request_kept, 0, 0}, transfer_buffer());
        EXPECT_TRUE(empty);
        const transfer_result refused = co_await pen.control({0xc0, request_refused, 0, 0}, transfer_buffer(8));
        EXPECT_EQ(refused.error(), errc::stalled);
        const transfer_result long_one = co_await pen.control({0xc0, request_pattern, 1, 0}, transfer_buffer(70'000));
        EXPECT_EQ(long_one.error(), errc::invalid_argument);
    };
    loop.run(body(loop));
}

TEST_P(usb, an_interrupt_is_waited_for_and_errors_are_named) {
    static constexpr auto body = [](event_loop& here) -> task<void> {
        const result<context> made = context::open(here);
        const open_device pen = open_stick(*made);
        static constexpr auto wait = [](const open_device& from) -> task<std::string> {
            const transfer_result got = co_await from.interrupt_in(events_in, transfer_buffer(8));
            co_return text_of(got);
        };
        counting_scope scope(here);
        std::string first, second;
        scope.spawn(keep(wait(pen), first), "first");
        scope.spawn(keep(wait(pen), second), "second");
        EXPECT_TRUE(co_await until([] { return stick().pending() == 2; }));
        stick().raise("one");
        stick().raise("two");
        co_await scope.join();
        EXPECT_EQ(first, "ok one");  // in the order they were started
        EXPECT_EQ(second, "ok two");
        stick().overflow_next();
        const transfer_result over = co_await pen.interrupt_in(events_in, transfer_buffer(8));
        EXPECT_EQ(over.error(), errc::message_too_long);
        stick().stall(events_in);
        const transfer_result stalled = co_await pen.interrupt_in(events_in, transfer_buffer(8));
        EXPECT_EQ(stalled.error(), errc::stalled);
    };
    loop.run(body(loop));
}

TEST_P(usb, a_transfer_ends_at_its_own_limit_and_at_a_deadline) {
    static constexpr auto body = [](event_loop& here) -> task<void> {
        const result<context> made = context::open(here);
        const open_device pen = open_stick(*made);
        const time_point start = here.now();
        EXPECT_EQ(co_await read_bulk(pen, 64, 30ms), "timed out");
        EXPECT_GE(here.now() - start, 30ms);
        EXPECT_EQ(co_await with_timeout(20ms, read_bulk(pen, 64)), "timed out");
        EXPECT_EQ(stick().pending(), 0u);
        stick().feed("in time");
        EXPECT_EQ(co_await with_timeout(10s, read_bulk(pen, 64, 10s)), "ok in time");
    };
    loop.run(body(loop));
}

TEST_P(usb, a_cancelled_transfer_says_what_it_carried) {
    static constexpr auto body = [](event_loop& here) -> task<void> {
        const result<context> made = context::open(here);
        const open_device pen = open_stick(*made);
        stick().carry_when_cancelled(5);
        static constexpr auto wait = [](const open_device& from) -> task<std::string> {
            const transfer_result got = co_await from.bulk_in(loop_in, transfer_buffer(64));
            co_return got.error().message() + " " + std::string(as_text(got.data()));
        };
        EXPECT_EQ(co_await with_timeout(5ms, wait(pen)), "timed out ccccc");
        counting_scope scope(here);
        std::string said;
        scope.spawn(keep(wait(pen), said), "wait");
        EXPECT_TRUE(co_await until([] { return stick().pending() == 1; }));
        scope.request_stop();
        co_await scope.join();
        EXPECT_EQ(said, "stopped ccccc");
    };
    loop.run(body(loop));
}

// 500 transfers that are complete and cancelled in the same moment: each ends once, as one or the other, and what was
// complete is a success.
TEST_P(usb, a_completion_and_a_cancel_race) {
    static constexpr auto body = [](event_loop& here) -> task<void> {
        const result<context> made = context::open(here);
        const open_device pen = open_stick(*made);
        int complete = 0, stopped = 0;
        for (int i = 0; i < 500; ++i) {
            counting_scope scope(here);
            std::string said;
            scope.spawn(keep(read_bulk(pen, 8), said), "read");
            while (stick().pending() == 0) co_await yield();
            const bool cancel_first = i % 2 == 1;
            if (cancel_first) scope.request_stop();
            stick().feed("x");
            for (int turn = 0; turn < i % 5; ++turn) co_await yield();
            scope.request_stop();
            co_await scope.join();
            complete += said == "ok x";
            stopped += said == "stopped";
            if (said == "stopped") {  // still on its way
                EXPECT_EQ(co_await read_bulk(pen, 8), "ok x");
            }
        }
        EXPECT_EQ(complete + stopped, 500);
        EXPECT_GT(complete, 0);
        EXPECT_GT(stopped, 0);
        EXPECT_EQ(made->in_flight(), 0u);
    };
    loop.run(body(loop));
}

TEST_P(usb, a_frame_may_die_at_any_moment) {
    static constexpr auto body = [](event_loop& here) -> task<void> {
        const result<context> made = context::open(here);
        const open_device pen = open_stick(*made);
        for (int i = 0; i < 100; ++i) {
            std::string said;
            {
                counting_scope scope(here);
                scope.spawn(keep(read_bulk(pen, 8), said), "read");
                for (int turn = 0; turn < i % 7; ++turn) co_await yield();
                if (i % 3 == 0) stick().feed("x");
                if (i % 4 == 0) (void)co_await sleep_for(2ms);
                if (i % 5 == 0) scope.request_stop();
            }
            EXPECT_TRUE(said.empty() || said == "ok x" || said == "stopped");
        }
        EXPECT_TRUE(co_await until([&made] { return made->in_flight() == 0; }));
    };
    loop.run(body(loop));
}

TEST_P(usb, unplugging_ends_what_is_under_way) {
    static constexpr auto body = [](event_loop& here) -> task<void> {
        const result<context> made = context::open(here);
        open_device pen = open_stick(*made);
        counting_scope scope(here);
        std::string first, second;
        scope.spawn(keep(read_bulk(pen, 8), first), "first");
        scope.spawn(keep(read_bulk(pen, 8), second), "second");
        EXPECT_TRUE(co_await until([] { return stick().pending() == 2; }));
        stick().unplug();
        co_await scope.join();
        EXPECT_EQ(first, "device is gone");
        EXPECT_EQ(second, "device is gone");
        EXPECT_EQ(co_await read_bulk(pen, 8), "device is gone");
        EXPECT_EQ(made->in_flight(), 0u);
        pen.close();
        EXPECT_EQ(co_await read_bulk(pen, 8), "closed");
    };
    loop.run(body(loop));
}

TEST_P(usb, devices_come_and_go_as_a_stream) {
    static constexpr auto body = [](event_loop& here) -> task<void> {
        const result<context> made = context::open(here);
        const result<hotplug> all = made->watch(context::present::reported);
        const result<hotplug> changes = made->watch();
        EXPECT_TRUE(all && changes);
        if (!all || !changes) co_return;
        result<hotplug_event> there = co_await all->next();
        EXPECT_TRUE(there && there->what == hotplug_event::kind::arrived && there->which.vendor() == 0x6b09);
        const result<hotplug_event> none = co_await with_timeout(5ms, changes->next());
        EXPECT_EQ(none.error(), errc::timed_out);
        for (int i = 0; i < 5; ++i) {
            stick().unplug();
            const result<hotplug_event> left = co_await with_timeout(10s, changes->next());
            EXPECT_TRUE(left && left->what == hotplug_event::kind::left && left->which == there->which);
            stick().plug_in();
            const result<hotplug_event> back = co_await with_timeout(10s, changes->next());
            EXPECT_TRUE(back && back->what == hotplug_event::kind::arrived);
            if (!back) break;
            there = *back;
        }
        const open_device again = open_stick(*made);
        stick().feed("new");
        EXPECT_EQ(co_await read_bulk(again, 8), "ok new");
    };
    loop.run(body(loop));
}

task<void> keep_event(task<result<hotplug_event>> work, std::string& into) {
    const result<hotplug_event> got = co_await std::move(work);
    into = got ? "event" : got.error().message();
}

TEST_P(usb, a_stream_ends_with_its_owner_and_with_its_context) {
    static constexpr auto body = [](event_loop& here) -> task<void> {
        std::optional<context> made(*context::open(here));
        std::optional<hotplug> first(*made->watch()), second(*made->watch());
        counting_scope scope(here);
        std::string one, two;
        scope.spawn(keep_event(first->next(), one), "one");
        scope.spawn(keep_event(second->next(), two), "two");
        (void)co_await sleep_for(1ms);
        first.reset();
        EXPECT_TRUE(co_await until([&one] { return !one.empty(); }));
        EXPECT_EQ(one, "closed");
        EXPECT_EQ(two, "");
        made.reset();
        co_await scope.join();
        EXPECT_EQ(two, "closed");
        const result<hotplug_event> after = co_await second->next();
        EXPECT_EQ(after.error(), errc::closed);
    };
    loop.run(body(loop));
}

TEST_P(usb, closing_waits_for_the_kernel_without_blocking_anybody) {
    static constexpr auto body = [](event_loop& here, int how) -> task<void> {
        stick().reset();
        std::optional<context> made(*context::open(here));
        open_device pen = open_stick(*made);
        counting_scope scope(here);
        std::string said;
        scope.spawn(keep(read_bulk(pen, 8), said), "read");
        EXPECT_TRUE(co_await until([] { return stick().pending() == 1; }));
        stick().keep_cancelled(true);
        if (how == 0) pen.close();
        if (how == 1) made.reset();
        if (how == 2) pen = {}, made.reset();
        EXPECT_TRUE(co_await until([] { return stick().pending() == 0; }));
        (void)co_await sleep_for(5ms);
        EXPECT_EQ(said, "");  // the kernel has its buffer
        stick().keep_cancelled(false);
        co_await scope.join();
        EXPECT_EQ(said, "closed");
        if (how == 1) {
            EXPECT_EQ(co_await read_bulk(pen, 8), "closed");
            EXPECT_EQ(pen.claim(0).error(), errc::closed);
        }
    };
    for (int how = 0; how < 3; ++how) loop.run(body(loop, how));
}

// Nobody waits any more, the context is gone, and the kernel still has the buffer when the loop dies.
TEST_P(usb, a_loop_that_dies_waits_for_the_kernel_and_leaks_what_it_keeps) {
    for (const bool gives_back : {true, false}) {
        stick().reset();
        {
            event_loop mortal(loop_options{.reactor = GetParam(), .name = "mortal"});
            static constexpr auto body = [](event_loop& here) -> task<void> {
                std::optional<context> made(*context::open(here));
                const open_device pen = open_stick(*made);
                counting_scope scope(here);
                std::string never;
                scope.spawn(keep(read_bulk(pen, 8), never), "read");
                EXPECT_TRUE(co_await until([] { return stick().pending() == 1; }));
                stick().keep_cancelled(true);
            };
            mortal.run(body(mortal));
            stick().keep_cancelled(!gives_back);
        }
        // what was leaked may still be written to
        stick().keep_cancelled(false);
    }
}

TEST_P(usb, what_is_closed_or_never_was_open_says_so) {
    static constexpr auto body = [](event_loop& here) -> task<void> {
        open_device none;
        EXPECT_FALSE(none.is_open());
        EXPECT_EQ(co_await read_bulk(none, 8), "closed");
        EXPECT_EQ(none.claim(0).error(), errc::closed);
        EXPECT_EQ(none.release(0).error(), errc::closed);
        EXPECT_EQ(none.set_alternate(0, 0).error(), errc::closed);
        std::optional<context> made(*context::open(here));
        const result<device> found = find(*made);
        made.reset();
        EXPECT_EQ(found->open().error(), errc::closed);
        EXPECT_EQ(found->vendor(), 0x6b09);
    };
    loop.run(body(loop));
}

TEST_P(usb, a_file_that_refuses_epoll_is_looked_at_in_peace) {
    if (GetParam() != reactor_kind::epoll) GTEST_SKIP() << "the same";
    static constexpr auto body = [](event_loop& here) -> task<void> {
        const result<context> made = context::open(here);
        const open_device pen = open_stick(*made);
        counting_scope scope(here);
        std::string said;
        scope.spawn(keep(read_bulk(pen, 8), said), "read");
        EXPECT_TRUE(co_await until([] { return stick().pending() == 1; }));
        const std::uint64_t before = stick().reaps();
        const time_point start = here.now();
        (void)co_await sleep_for(50ms);
        const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(here.now() - start).count();
        EXPECT_LE(stick().reaps() - before, 2u * static_cast<std::uint64_t>(took) + 4);
        EXPECT_GE(stick().reaps() - before, 3u);
        scope.request_stop();
        co_await scope.join();
    };
    loop.run(body(loop));
}

INSTANTIATE_TEST_SUITE_P(reactors, usb, testing::Values(reactor_kind::epoll, reactor_kind::uring),
                         [](const auto& info) { return std::string(name_of(info.param)); });

}  // namespace
}  // namespace co_wq::io::usb::test
