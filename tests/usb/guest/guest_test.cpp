// The real usbfs: dummy_hcd with a gadget of two functions, SourceSink (interface 0) and Loopback (interface 1). Only
// inside the guest that guest/run starts.
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "io/usb/context.hpp"
#include "sync/deadline.hpp"
#include "sync/sleep.hpp"
#include "task/scope.hpp"
#include "task/yield.hpp"

namespace co_wq::io::usb::test {
namespace {

using namespace std::chrono_literals;

constexpr const char* controller = "/sys/kernel/config/usb_gadget/co_wq/UDC";

void plug(bool in) {
    std::ofstream file(controller);
    file << (in ? "dummy_udc.0" : "") << std::endl;
    EXPECT_TRUE(file.good());
}

struct gadget {
    open_device file;
    std::uint8_t source = 0, sink = 0, loop_in = 0, loop_out = 0;
};

result<device> find(const context& in) {
    const result<std::vector<device>> all = in.devices();
    if (!all) return std::unexpected(all.error());
    for (const device& one : *all)
        if (one.vendor() == 0x1d6b && one.product() == 0x0104) return one;
    return fail(errc::not_found);
}

std::optional<gadget> open_gadget(const context& in) {
    const result<device> found = find(in);
    if (!found) return std::nullopt;
    const result<std::vector<endpoint>> ends = found->endpoints();
    result<open_device> file = found->open();
    if (!ends || !file || !file->claim(0) || !file->claim(1)) return std::nullopt;
    gadget made;
    made.file = std::move(*file);
    for (const endpoint& one : *ends) {
        if (one.kind != endpoint_kind::bulk || one.setting != 0) continue;
        if (one.interface_number == 0) (one.is_in() ? made.source : made.sink) = one.address;
        if (one.interface_number == 1) (one.is_in() ? made.loop_in : made.loop_out) = one.address;
    }
    return made;
}

std::string text_of(const transfer_result& got) {
    return got ? "ok " + std::string(as_text(got.data())) : got.error().message();
}

task<std::string> read(const open_device& from, std::uint8_t end, duration limit = {}) {
    const transfer_result got = co_await from.bulk_in(end, transfer_buffer(512), limit);
    co_return text_of(got);
}

task<void> keep(task<std::string> work, std::string& into) {
    std::string got = co_await std::move(work);
    into = std::move(got);
}

class guest : public testing::TestWithParam<reactor_kind> {
protected:
    guest() : loop(loop_options{.reactor = GetParam(), .name = "guest"}) {}
    void run(task<void> (*body)(event_loop&, const context&, gadget&)) {
        static constexpr auto all = [](event_loop& here, auto* part) -> task<void> {
            // without udevd in the guest only a new context sees what was plugged in meanwhile
            std::optional<context> made;
            std::optional<gadget> found;
            for (int i = 0; i < 500 && !found; ++i) {
                if (i > 0) (void)co_await sleep_for(20ms);
                made.reset();
                made.emplace(*context::open(here));
                found = open_gadget(*made);
            }
            EXPECT_TRUE(found.has_value());
            if (found) co_await part(here, *made, *found);
            EXPECT_EQ(made->in_flight(), 0u);
        };
        loop.run(all(loop, body));
    }
    event_loop loop;
};

TEST_P(guest, bulk_data_streams_with_four_transfers_under_way) {
    run([](event_loop& here, const context&, gadget& on) -> task<void> {
        static constexpr auto pull = [](const open_device& from, std::uint8_t end, std::size_t& sum) -> task<void> {
            transfer_buffer buffer(16384);
            for (int i = 0; i < 25; ++i) {
                transfer_result got = co_await from.bulk_in(end, std::move(buffer));
                EXPECT_TRUE(got) << got.outcome().error().message();
                if (!got) co_return;
                sum += got.moved();
                buffer = got.take_buffer();
            }
        };
        std::size_t sum = 0;
        counting_scope scope(here);
        for (int i = 0; i < 4; ++i) scope.spawn(pull(on.file, on.source, sum), "pull");
        co_await scope.join();
        EXPECT_EQ(sum, 4u * 25 * 16384);
        const transfer_result put = co_await on.file.bulk_out(on.sink, transfer_buffer(65536));
        EXPECT_TRUE(put || put.error() == errc::stalled);  // the sink looks at what it gets
    });
}

TEST_P(guest, what_goes_out_comes_back_and_a_wait_costs_nothing) {
    run([](event_loop& here, const context&, gadget& on) -> task<void> {
        for (int i = 0; i < 20; ++i) {
            const std::string word = "packet " + std::to_string(i);
            const transfer_result sent =
                co_await on.file.bulk_out(on.loop_out, transfer_buffer(as_bytes(std::string_view(word))));
            EXPECT_TRUE(sent);
            EXPECT_EQ(co_await read(on.file, on.loop_in, 5s), "ok " + word);
        }
        counting_scope scope(here);
        std::string said;
        scope.spawn(keep(read(on.file, on.loop_in), said), "read");
        (void)co_await sleep_for(10ms);
        const std::uint64_t before = here.turns();
        (void)co_await sleep_for(200ms);
        EXPECT_LE(here.turns() - before, 20u);  // the kernel says when; nobody polls
        scope.request_stop();
        co_await scope.join();
        EXPECT_EQ(said, "stopped");
    });
}

TEST_P(guest, errors_limits_and_deadlines_are_named) {
    run([](event_loop& here, const context&, gadget& on) -> task<void> {
        const transfer_result got = co_await on.file.control({0x80, 6, 0x0100, 0}, transfer_buffer(18));
        EXPECT_TRUE(got);
        EXPECT_EQ(got.moved(), 18u);
        const transfer_result refused = co_await on.file.control({0xc0, 0x77, 0, 0}, transfer_buffer(8), 5s);
        EXPECT_EQ(refused.error(), errc::stalled);
        const time_point start = here.now();
        EXPECT_EQ(co_await read(on.file, on.loop_in, 100ms), "timed out");
        EXPECT_GE(here.now() - start, 100ms);
        EXPECT_EQ(co_await with_timeout(50ms, read(on.file, on.loop_in)), "timed out");
    });
}

TEST_P(guest, a_completion_and_a_cancel_race) {
    run([](event_loop& here, const context&, gadget& on) -> task<void> {
        static constexpr auto pull = [](const open_device& from, std::uint8_t end, int* counts) -> task<void> {
            const transfer_result got = co_await from.bulk_in(end, transfer_buffer(512));
            EXPECT_TRUE(got || got.error() == errc::stopped);
            ++counts[got ? 0 : got.moved() > 0 ? 2 : 1];
        };
        int counts[3] = {};
        for (int i = 0; i < 300; ++i) {
            counting_scope scope(here);
            scope.spawn(pull(on.file, on.source, counts), "pull");
            (void)co_await sleep_for((i % 40) * 20us);
            scope.request_stop();
            co_await scope.join();
        }
        EXPECT_EQ(counts[0] + counts[1] + counts[2], 300);
        std::printf("%d complete, %d cancelled, %d cancelled with data\n", counts[0], counts[1], counts[2]);
    });
}

TEST_P(guest, frames_die_with_their_transfers_under_way) {
    run([](event_loop& here, const context& in, gadget& on) -> task<void> {
        for (int i = 0; i < 100; ++i) {
            counting_scope scope(here);
            std::string never;
            scope.spawn(keep(read(on.file, i % 2 ? on.source : on.loop_in), never), "read");
            for (int turn = 0; turn < 1 + i % 20; ++turn) co_await yield();
        }
        for (int i = 0; i < 1000 && in.in_flight() > 0; ++i) (void)co_await sleep_for(5ms);
    });
}

TEST_P(guest, unplugging_ends_what_is_under_way_and_is_reported) {
    run([](event_loop& here, const context& in, gadget& on) -> task<void> {
        const result<hotplug> changes = in.watch();
        EXPECT_TRUE(changes.has_value());
        counting_scope scope(here);
        std::string said;
        scope.spawn(keep(read(on.file, on.loop_in), said), "read");
        (void)co_await sleep_for(20ms);
        plug(false);
        co_await scope.join();
        EXPECT_TRUE(said == "device is gone" || said == "transfer failed") << said;
        const result<hotplug_event> left = co_await with_timeout(5s, changes->next());
        EXPECT_TRUE(left && left->what == hotplug_event::kind::left);
        EXPECT_EQ(co_await read(on.file, on.loop_in), "device is gone");
        on.file.close();
        plug(true);
    });
}

INSTANTIATE_TEST_SUITE_P(reactors, guest, testing::Values(reactor_kind::epoll, reactor_kind::uring),
                         [](const auto& info) { return std::string(name_of(info.param)); });

}  // namespace
}  // namespace co_wq::io::usb::test
