// Simulated ways that lose, double, delay and reorder, by seed: handshakes come about and messages come through.
#include "world.hpp"

namespace co_wq::net::tls::test {
namespace {

struct way {
    const char* name;
    std::uint8_t faults;  // in 256: half of them lost, half doubled
    duration latency_max;
    std::uint32_t way_bytes_max = 65'507, datagram_bytes_max = 65'507;
};

class lossy : public testing::TestWithParam<way> {
protected:
    static io::sim_options options(const way& on, std::uint64_t seed) {
        io::sim_options options;
        options.seed = seed;
        options.datagram_faults = on.faults;
        options.latency_max = on.latency_max;
        options.way_bytes_max = on.way_bytes_max;
        options.datagram_bytes_max = on.datagram_bytes_max;
        return options;
    }
};

// Asks until it is answered.
task<void> ask(const dtls_session& with, std::string text) {
    std::byte into[2048];
    for (int i = 0; i < 200; ++i) {
        const std::string said = co_await say(with, text);
        EXPECT_EQ(said, "ok");
        const result<dtls_message> got = co_await with_timeout(1s, with.recv(into));
        if (got && as_text(const_bytes(into).first(got->size)) == text) co_return;
    }
    ADD_FAILURE() << "never answered";
}
task<void> answer(const dtls_listener& at) {
    const result<dtls_session> came = co_await at.accept();
    if (!came) co_return;
    std::string heard;
    while (heard != "ended" && heard != "closed" && heard != "stopped") {
        heard = co_await hear(*came);
        const std::string said = co_await say(*came, heard);
    }
}
task<void> through(io::event_loop& loop, std::uint32_t& retransmissions, duration& took) {
    dtls_listener_options patient;
    patient.handshake_limit = 10min;
    const dtls_listener here = listen(loop, patient);
    counting_scope scope(loop);
    scope.spawn(answer(here));
    const time_point begin = loop.now();
    const result<dtls_session> made = co_await with_timeout(10min, connect(loop, *here.local_address()));
    EXPECT_TRUE(made.has_value()) << explain(made.error());
    took = loop.now() - begin;
    if (made) {
        co_await ask(*made, "first");
        co_await ask(*made, std::string(std::min<std::size_t>(made->payload_max(), 200), 'x'));
        retransmissions = made->counters().retransmissions;
    }
    scope.request_stop();
    co_await scope.join();
}

TEST_P(lossy, handshakes_and_messages_get_through_with_every_seed) {
    std::uint64_t repeated = 0;
    duration longest{};
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        io::sim_options given = options(GetParam(), seed);
        io::event_loop loop(
            {.name = "lossy"},
            +[](void* context, op_slab& slots) -> std::unique_ptr<io::reactor> {
                return std::make_unique<io::reactor_sim>(slots, *static_cast<io::sim_options*>(context));
            },
            &given);
        std::uint32_t here = 0;
        duration took{};
        loop.run(through(loop, here, took));
        repeated += here;
        longest = std::max(longest, took);
        EXPECT_EQ(loop.reactor().descriptors().live(), 0u);
    }
    if (GetParam().faults > 0) {
        EXPECT_GT(repeated, 0u);
        EXPECT_GE(longest, 1s);  // somebody waited for the timer
    }
}

INSTANTIATE_TEST_SUITE_P(ways, lossy,
                         testing::Values(way{"good", 0, 500us}, way{"slow", 0, 400ms},
                                         way{"slower_than_the_timer", 0, 3s}, way{"lossy", 40, 50ms},
                                         way{"terrible", 128, 200ms}, way{"narrow_548", 20, 50ms, 548},
                                         way{"narrow_1252", 20, 50ms, 1252}, way{"refuses_548", 20, 50ms, 65'507, 548},
                                         way{"refuses_1000", 20, 50ms, 65'507, 1000}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace co_wq::net::tls::test
