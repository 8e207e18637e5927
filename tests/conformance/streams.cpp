// Scenarios of bytes on their way.
#include <algorithm>

#include "stage.hpp"

namespace co_wq::conformance {
namespace {

using io::direction;

// The buffers of a kernel take up to 10 MB.
std::size_t more_than_fits(const stage& on) { return on.simulated() ? 400'000 : 16'000'000; }

task<void> send_and_end(stage& on, const std::vector<std::byte>& data) {
    const result<void> sent = co_await on.near.at.send_all(data);
    on.log("near sends all: " + (sent ? "ok" : sent.error().message()));
    (void)on.near.at.shutdown_send();
}

task<std::vector<std::byte>> read_to_end(io::socket& from, std::size_t at_once, bool pauses) {
    std::vector<std::byte> all, chunk(at_once);
    for (int turn = 1;; ++turn) {
        const result<std::size_t> got = co_await from.recv(chunk);
        if (!got || *got == 0) co_return all;
        all.insert(all.end(), chunk.begin(), chunk.begin() + static_cast<std::ptrdiff_t>(*got));
        if (pauses && turn % 64 == 0) (void)co_await sleep_for(200us);
    }
}

task<void> large_to_slow(stage& on) {
    co_await on.connected();
    const auto data = pattern(more_than_fits(on));
    on.others.spawn(send_and_end(on, data), "send");
    (void)co_await sleep_for(3ms);  // the buffers are full
    const auto got = co_await read_to_end(on.far.at, 20'000, true);
    on.log(std::string("far has ") + (got == data ? "all of it" : "something else"));
    co_await on.others.join();
}

task<void> cancelled_midway(stage& on) {
    co_await on.connected();
    const auto data = pattern(more_than_fits(on));
    counting_scope sending(on.loop);
    sending.spawn(send_and_end(on, data), "send");
    (void)co_await sleep_for(3ms);  // the buffers are full
    std::vector<std::byte> first(100'000);
    (void)co_await on.far.at.recv(first);
    sending.request_stop();
    co_await sending.join();
    const auto rest = co_await read_to_end(on.far.at, 100'000, false);
    on.log(std::string("what arrived is ") + (rest.size() < data.size() ? "a part" : "all"));
}

// What arrives of a send that is cancelled is how it begins, without a gap.
task<void> cancelled_is_prefix(stage& on) {
    co_await on.connected();
    const auto data = pattern(more_than_fits(on));
    counting_scope sending(on.loop);
    sending.spawn(send_and_end(on, data), "send");
    (void)co_await sleep_for(3ms);
    sending.request_stop();
    co_await sending.join();
    const auto got = co_await read_to_end(on.far.at, 100'000, false);
    const bool prefix = !got.empty() && got.size() < data.size() && std::equal(got.begin(), got.end(), data.begin());
    on.log(std::string("what arrived is ") + (prefix ? "how it begins" : "something else"));
}

task<void> destroyed_midway(stage& on) {
    co_await on.connected();
    const auto data = pattern(more_than_fits(on));
    {
        counting_scope sending(on.loop);
        sending.spawn(send_and_end(on, data), "send");
        (void)co_await sleep_for(3ms);
    }
    on.shuts(on.near);
    const auto got = co_await read_to_end(on.far.at, 100'000, false);
    const bool prefix = !got.empty() && got.size() < data.size() && std::equal(got.begin(), got.end(), data.begin());
    on.log(std::string("what arrived is ") + (prefix ? "how it begins" : "something else"));
}

task<void> gathered(stage& on) {
    co_await on.connected();
    const result<void> sent =
        co_await on.near.at.send_all(std::array<const_bytes, 3>{as_bytes("head"), const_bytes{}, as_bytes("body")});
    on.log("three parts: " + (sent ? "ok" : sent.error().message()));
    co_await on.reads(on.far, 8);
    const result<void> none = co_await on.near.at.send_all(std::array<const_bytes, 3>{});
    on.log("three empty parts: " + (none ? "ok" : none.error().message()));
    on.shuts(on.near);
    co_await on.reads(on.far, 1);
}

// Waits for bytes as any other receive does, and takes none of them.
task<void> receive_nothing(stage& on) {
    const result<std::size_t> got = co_await on.far.at.recv({});
    on.log("recv of nothing: " + (got ? std::to_string(*got) : got.error().message()));
}

task<void> nothing_at_all(stage& on) {
    co_await on.connected();
    const result<std::size_t> sent = co_await on.near.at.send({});
    on.log("send of nothing: " + (sent ? std::to_string(*sent) : sent.error().message()));
    const result<void> all = co_await on.near.at.send_all(const_bytes{});
    on.log("send_all of nothing: " + (all ? "ok" : all.error().message()));
    co_await on.limited(2ms, receive_nothing(on));
    co_await on.sends(on.near, "x");
    co_await on.arrived(on.far, direction::read);
    co_await receive_nothing(on);
    co_await on.reads(on.far, 1);
}

task<void> in_order(stage& on) {
    co_await on.connected();
    for (const char* text : {"one ", "two ", "three ", "four"}) co_await on.sends(on.near, text);
    on.shuts(on.near);
    co_await on.reads(on.far, 100);
}

task<void> leases(stage& on) {
    co_await on.connected();
    co_await on.sends(on.near, "lent");
    on.shuts(on.near);
    co_await on.reads_leased(on.far);
}

task<void> lease_then_borrow(stage& on) {
    co_await on.connected();
    co_await on.limited(1ms, on.reads_leased(on.far));
    co_await on.sends(on.near, "borrowed");
    co_await on.reads(on.far, 8);
    on.shuts(on.near);
    co_await on.reads_leased(on.far);
}

task<void> both_ways_at_once(stage& on) {
    co_await on.connected();
    on.others.spawn(on.reads(on.near, 4), "read");
    co_await on.sends(on.near, "ping");
    co_await on.reads(on.far, 4);
    co_await on.sends(on.far, "pong");
    co_await on.others.join();
}

}  // namespace

std::vector<scenario> stream_scenarios() {
    return {
        {"large to a slow reader", &large_to_slow, "near sends all: ok\nfar has all of it\n"},
        {"send_all cancelled midway", &cancelled_midway, "near sends all: stopped\nwhat arrived is a part\n"},
        {"send_all cancelled is a prefix", &cancelled_is_prefix,
         "near sends all: stopped\nwhat arrived is how it begins\n"},
        {"send_all destroyed midway", &destroyed_midway,
         "near ends its direction: ok\nwhat arrived is how it begins\n"},
        {"gathered parts", &gathered,
         "three parts: ok\nfar reads: 'headbody'\nthree empty parts: ok\n"
         "near ends its direction: ok\nfar reads: end\n"},
        {"nothing at all", &nothing_at_all,
         "send of nothing: 0\nsend_all of nothing: ok\nrecv of nothing: timed out\nnear sends: ok\nrecv of nothing: 0\n"
         "far reads: 'x'\n"},
        {"sends in order", &in_order,
         "near sends: ok\nnear sends: ok\nnear sends: ok\nnear sends: ok\nnear ends its direction: ok\n"
         "far reads: 'one two three four', end\n"},
        {"leases", &leases, "near sends: ok\nnear ends its direction: ok\nfar reads leases: 'lent', end\n"},
        {"a lease, then a borrowed receive", &lease_then_borrow,
         "far reads leases: '', timed out\nnear sends: ok\nfar reads: 'borrowed'\nnear ends its direction: ok\n"
         "far reads leases: '', end\n"},
        {"both ways at once", &both_ways_at_once,
         "near sends: ok\nfar reads: 'ping'\nfar sends: ok\nnear reads: 'pong'\n"},
    };
}

}  // namespace co_wq::conformance
