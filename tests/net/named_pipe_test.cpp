// Named pipes of Windows between two ends of this library, on the plain and on unruly completion ports.
#include "named_pipes.hpp"
#include "pumped.hpp"
#include "support/on_wine.hpp"

namespace co_wq::net {
namespace {

using namespace test;

std::vector<io::test::backend> with_pipes() {
    std::vector<io::test::backend> all = io::test::kernel_backends();
    all.insert(all.end(), io::test::unruly_kernels.begin(), io::test::unruly_kernels.end());
    return all;
}

class named_pipe : public io::test::on_every_reactor {
protected:
    static bool plain() { return GetParam().seed == 0; }
    named_pipe_listener bound(std::uint32_t backlog = 4) {
        result<named_pipe_listener> made = named_pipe_listener::bind(*loop, name, {.backlog = backlog});
        EXPECT_TRUE(made.has_value()) << made.error().message();
        return std::move(*made);
    }
    pipe_pair pair() { return loop->run(make_pipes(*loop)); }
    // Books of the kernel's part: nothing of what was closed is left.
    void TearDown() override {
        if (GetParam().kind == io::reactor_kind::iocp) loop->run(all_gone(*loop));
        expect_quiet();
    }
    static task<void> all_gone(io::event_loop& here) {
        for (int i = 0; i < 3000 && here.reactor().descriptors().live() > 0; ++i) (void)co_await sleep_for(1ms);
        EXPECT_EQ(here.reactor().descriptors().live(), 0u);
        EXPECT_EQ(here.slots().counters().in_flight(), 0u) << "but for the sleep that has ended";
    }

    const std::string name = new_pipe_name();
};

task<void> turns(int count) {
    for (int i = 0; i < count; ++i) co_await yield();
    (void)co_await sleep_for(2ms);
}

TEST_P(named_pipe, bytes_go_both_ways_in_order) {
    loop->run([](io::event_loop& here) -> task<void> {
        pipe_pair both = co_await make_pipes(here);
        EXPECT_TRUE((co_await both.near.send_all(as_bytes("hello"))).has_value());
        EXPECT_EQ(co_await read_text(both.far), "hello");
        const std::array<const_bytes, 3> parts{as_bytes("a"), const_bytes{}, as_bytes("bc")};
        EXPECT_TRUE((co_await both.far.send_all(parts)).has_value());
        EXPECT_EQ(co_await read_text(both.near), "abc");
        EXPECT_TRUE((co_await both.far.send_all(as_bytes("leased"))).has_value());
        const result<io::lease> got = co_await both.near.recv_lease(4096);
        EXPECT_TRUE(got.has_value());
        if (got) EXPECT_EQ(as_text(got->data()), "leased");
    }(*loop));
}

TEST_P(named_pipe, an_idle_end_that_nobody_reads_holds_no_block) {
    loop->run([](io::event_loop& here) -> task<void> {
        pipe_pair both = co_await make_pipes(here);
        EXPECT_TRUE((co_await both.near.send_all(as_bytes("x"))).has_value());
        EXPECT_EQ(co_await read_text(both.far), "x");
        co_await turns(20);
        EXPECT_EQ(here.reactor().buffers().lent(), 0u);
    }(*loop));
}

TEST_P(named_pipe, each_end_knows_the_process_of_the_other) {
    pipe_pair both = pair();
    for (const named_pipe_stream* each : {&both.near, &both.far}) {
        const result<std::uint32_t> who = each->peer_process();
        ASSERT_TRUE(who.has_value()) << who.error().message();
        EXPECT_EQ(*who, ::GetCurrentProcessId());
    }
}

TEST_P(named_pipe, what_is_no_name_is_refused) {
    const std::string prefix = R"(\\.\pipe\)";
    for (const std::string& bad :
         {std::string(), std::string("name"), prefix, std::string(R"(\\server\pipe\name)"), prefix + R"(a\b)",
          prefix + "a/b", prefix + ".", prefix + "..", prefix + "a.", prefix + "a ", prefix + "\xff",
          prefix + std::string("a\0b", 3), std::string(R"(\\.\pip\name)"), std::string(R"(\\?\pipe\name)")}) {
        const result<named_pipe_listener> made = named_pipe_listener::bind(*loop, bad);
        EXPECT_TRUE(!made && made.error() == errc::invalid_argument) << bad;
        const result<named_pipe_stream> came = loop->run(named_pipe_stream::connect(*loop, bad));
        EXPECT_TRUE(!came && came.error() == errc::invalid_argument) << bad;
    }
    const std::string fits = prefix + std::string(247, 'n'), longer = fits + "n";
    EXPECT_TRUE(named_pipe_listener::bind(*loop, fits).has_value());
    const result<named_pipe_listener> made = named_pipe_listener::bind(*loop, longer);
    EXPECT_TRUE(!made && made.error() == errc::name_too_long);
}

TEST_P(named_pipe, rights_that_cannot_be_read_are_refused) {
    const result<named_pipe_listener> made = named_pipe_listener::bind(*loop, name, {.access = "everybody"});
    EXPECT_TRUE(!made && made.error() == errc::invalid_argument);
    EXPECT_TRUE(named_pipe_listener::bind(*loop, name, {.access = "D:P(A;;GA;;;WD)"}).has_value());
}

TEST_P(named_pipe, nobody_listens) {
    const result<named_pipe_stream> came = loop->run(named_pipe_stream::connect(*loop, name));
    EXPECT_TRUE(!came && came.error() == errc::not_found);
}

TEST_P(named_pipe, a_name_has_one_listener_until_it_closes) {
    named_pipe_listener first = bound();
    if (co_wq::test::on_wine()) GTEST_SKIP() << "Wine 8 overlooks FILE_FLAG_FIRST_PIPE_INSTANCE";
    const result<named_pipe_listener> second = named_pipe_listener::bind(*loop, name);
    EXPECT_TRUE(!second && second.error() == errc::address_in_use);
    first.close();
    loop->run(all_gone(*loop));
    EXPECT_TRUE(named_pipe_listener::bind(*loop, name).has_value());
}

TEST_P(named_pipe, who_finds_all_instances_taken_waits_for_one) {
    loop->run([](io::event_loop& here, std::string to, named_pipe_listener listener) -> task<void> {
        const result<named_pipe_stream> first = co_await named_pipe_stream::connect(here, to);
        EXPECT_TRUE(first.has_value());
        auto late = co_await with_timeout(30ms, named_pipe_stream::connect(here, to));
        EXPECT_TRUE(!late && late.error() == errc::timed_out);
        auto [second, one] =
            co_await when_all(named_pipe_stream::connect(here, to), [](const named_pipe_listener& from) -> task<bool> {
                (void)co_await sleep_for(20ms);
                const result<named_pipe_stream> got = co_await from.accept();
                co_return got.has_value();
            }(listener));
        EXPECT_TRUE(second.has_value());
        EXPECT_TRUE(one);
        const result<named_pipe_stream> other = co_await listener.accept();
        EXPECT_TRUE(other.has_value());
    }(*loop, name, bound(1)));
}

task<void> accepts(const named_pipe_listener& from, std::string& said) {
    const result<named_pipe_stream> got = co_await from.accept();
    said = got ? "ok" : got.error().message();
}

TEST_P(named_pipe, an_accept_may_be_cancelled_or_destroyed_and_the_next_gets_the_client) {
    for (int way = 0; way < 3; ++way) {
        loop->run([](io::event_loop& here, std::string to, named_pipe_listener listener, int how) -> task<void> {
            std::string said;
            counting_scope scope(here);
            scope.spawn(accepts(listener, said), "accepts");
            co_await turns(5);
            if (how == 0) scope.request_stop();
            if (how == 1) scope.destroy_all();
            const result<named_pipe_stream> near = co_await named_pipe_stream::connect(here, to);
            EXPECT_TRUE(near.has_value());
            if (how == 2) scope.destroy_all();  // he has come
            co_await scope.join();
            EXPECT_EQ(said, how == 0 ? "stopped" : "");
            const result<named_pipe_stream> far = co_await listener.accept();
            EXPECT_TRUE(far.has_value());
        }(*loop, name, bound(), way));
        loop->run(all_gone(*loop));
    }
}

TEST_P(named_pipe, an_accept_ends_when_its_listener_closes) {
    named_pipe_listener listener = bound();
    std::string said;
    loop->run([](io::event_loop& here, named_pipe_listener& from, std::string& text) -> task<void> {
        counting_scope scope(here);
        scope.spawn(accepts(from, text), "accepts");
        co_await turns(5);
        from.close();
        co_await scope.join();
    }(*loop, listener, said));
    EXPECT_EQ(said, "closed");
}

TEST_P(named_pipe, a_stopped_listener_gives_out_who_has_come) {
    loop->run([](io::event_loop& here, std::string to, named_pipe_listener listener) -> task<void> {
        const result<named_pipe_stream> near = co_await named_pipe_stream::connect(here, to);
        EXPECT_TRUE(near.has_value());
        listener.stop();
        std::string said;
        co_await accepts(listener, said);
        EXPECT_EQ(said, "ok");
        auto last = with_timeout(1s, [](const named_pipe_listener& from) -> task<result<void>> {
            const result<named_pipe_stream> got = co_await from.accept();
            if (!got) co_return std::unexpected(got.error());
            co_return result<void>();
        }(listener));
        const result<void> ended = co_await std::move(last);
        EXPECT_TRUE(!ended && ended.error() == errc::closed);
    }(*loop, name, bound()));
}

TEST_P(named_pipe, what_a_client_sent_before_it_left_is_there_when_it_is_accepted) {
    loop->run([](io::event_loop& here, std::string to, named_pipe_listener listener) -> task<void> {
        result<named_pipe_stream> near = co_await named_pipe_stream::connect(here, to);
        EXPECT_TRUE((co_await near->send_all(as_bytes("gone"))).has_value());
        near->close();
        co_await turns(10);
        result<named_pipe_stream> far = co_await listener.accept();
        EXPECT_EQ(co_await read_text(*far), "gone");
        EXPECT_EQ(co_await read_text(*far), "") << "the end";
        EXPECT_EQ(co_await read_text(*far), "") << "for good";
    }(*loop, name, bound()));
}

TEST_P(named_pipe, nothing_is_sent_for_no_bytes) {
    loop->run([](io::event_loop& here) -> task<void> {
        pipe_pair both = co_await make_pipes(here);
        EXPECT_TRUE((co_await both.near.send_all(const_bytes{})).has_value());
        EXPECT_TRUE((co_await both.near.send_all(std::array<const_bytes, 3>{})).has_value());
        const result<std::size_t> none = co_await both.near.socket().send(const_bytes{});
        EXPECT_TRUE(none && *none == 0);
        EXPECT_TRUE((co_await both.near.send_all(as_bytes("x"))).has_value());
        EXPECT_EQ(co_await read_text(both.far), "x") << "and no end before it";
    }(*loop));
}

TEST_P(named_pipe, send_now_sends_what_goes_without_waiting) {
    loop->run([](io::event_loop& here) -> task<void> {
        pipe_pair both = co_await make_pipes(here);
        const result<std::size_t> sent = both.near.socket().send_now(as_bytes("now"));
        EXPECT_TRUE(sent && *sent == 3);
        EXPECT_EQ(co_await read_text(both.far), "now");
        (void)co_await fill_pipe(both.near.socket());
        const result<std::size_t> none = both.near.socket().send_now(as_bytes("x"));
        EXPECT_TRUE(none && *none == 0);
        EXPECT_TRUE(both.near.local_address().error() == errc::not_supported);
    }(*loop));
}

TEST_P(named_pipe, after_a_half_close_the_other_direction_goes_on) {
    loop->run([](io::event_loop& here) -> task<void> {
        pipe_pair both = co_await make_pipes(here);
        auto asks = [](named_pipe_stream& at) -> task<std::size_t> {
            co_await send_pattern(at, 300'000, true);
            const std::size_t got = co_await receive_pattern(at);
            co_return got;
        };
        auto answers = [](named_pipe_stream& at) -> task<std::size_t> {
            const std::size_t got = co_await receive_pattern(at);
            co_await send_pattern(at, 200'000, true);
            co_return got;
        };
        auto [answer, question] = co_await when_all(asks(both.near), answers(both.far));
        EXPECT_EQ(question, 300'000u);
        EXPECT_EQ(answer, 200'000u);
        const result<void> sent = co_await both.near.send_all(as_bytes("x"));
        EXPECT_TRUE(!sent && sent.error() == errc::broken_pipe);
        EXPECT_TRUE(both.near.shutdown_send().has_value()) << "twice is once";
    }(*loop));
}

TEST_P(named_pipe, an_end_goes_behind_what_is_on_its_way) {
    loop->run([](io::event_loop& here) -> task<void> {
        pipe_pair both = co_await make_pipes(here);
        const std::size_t sent = co_await fill_pipe(both.near.socket());
        EXPECT_TRUE(both.near.shutdown_send().has_value());
        const std::size_t got = co_await read_to_the_end(both.far);
        EXPECT_EQ(got, sent);
    }(*loop));
}

TEST_P(named_pipe, who_waits_for_the_end_hears_of_it) {
    loop->run([](io::event_loop& here) -> task<void> {
        pipe_pair both = co_await make_pipes(here);
        EXPECT_TRUE((co_await both.near.send_all(as_bytes("unread"))).has_value());
        auto [ended, nothing] = co_await when_all(
            [](io::socket& at) -> task<bool> {
                const result<void> seen = co_await at.ready(io::direction::read_end);
                co_return seen.has_value();
            }(both.far.socket()),
            [](named_pipe_stream& at) -> task<void> {
                co_await turns(10);
                EXPECT_TRUE(at.shutdown_send().has_value());
            }(both.near));
        EXPECT_TRUE(ended) << "behind bytes that nobody has read";
        auto [hung_up, closed] = co_await when_all(
            [](io::socket& at) -> task<bool> {
                const result<void> seen = co_await at.ready(io::direction::hang_up);
                co_return seen.has_value();
            }(both.far.socket()),
            [](named_pipe_stream& at) -> task<void> {
                co_await turns(10);
                at.close();
            }(both.near));
        EXPECT_TRUE(hung_up);
        EXPECT_EQ(co_await read_text(both.far), "unread");
        EXPECT_EQ(co_await read_text(both.far), "");
    }(*loop));
}

TEST_P(named_pipe, a_peer_that_closes_without_reading_breaks_the_pipe) {
    loop->run([](io::event_loop& here) -> task<void> {
        pipe_pair both = co_await make_pipes(here);
        (void)co_await fill_pipe(both.near.socket());
        auto [sent, nothing] = co_await when_all(
            [](named_pipe_stream& at) -> task<errc> {
                const result<void> done = co_await at.send_all(as_bytes("more"));
                co_return done ? errc::other : done.error().code();
            }(both.near),
            [](named_pipe_stream& at) -> task<void> {
                co_await turns(10);
                at.close();
            }(both.far));
        EXPECT_EQ(sent, errc::broken_pipe);
        EXPECT_EQ(co_await read_text(both.near), "");
        EXPECT_FALSE(both.near.shutdown_send().has_value());
    }(*loop));
}

// What was accepted by send goes on its way when the stream is closed.
TEST_P(named_pipe, a_closed_stream_delivers_what_it_has_accepted) {
    loop->run([](io::event_loop& here) -> task<void> {
        pipe_pair both = co_await make_pipes(here);
        const std::size_t sent = co_await fill_pipe(both.near.socket());
        EXPECT_GT(sent, 0u);
        both.near.close();
        co_await turns(10);
        const std::size_t got = co_await read_to_the_end(both.far);
        EXPECT_EQ(got, sent);
    }(*loop));
}

TEST_P(named_pipe, one_that_nobody_reads_is_cut_some_time_after_its_close) {
    loop->run([](io::event_loop& here) -> task<void> {
        pipe_pair both = co_await make_pipes(here);
        const std::size_t sent = co_await fill_pipe(both.near.socket());
        const std::size_t before = here.reactor().descriptors().live();
        const time_point begin = here.now();
        both.near.close();
        while (here.reactor().descriptors().live() == before && here.now() - begin < 10s)
            (void)co_await sleep_for(10ms);
        EXPECT_EQ(here.reactor().descriptors().live(), before - 1);
        EXPECT_GE(here.now() - begin, 1900ms);
        const std::size_t got = co_await read_to_the_end(both.far);
        EXPECT_LT(got, sent);
    }(*loop));
}

// Readers die and are cancelled at any time: what they did not get is the next one's.
TEST_P(named_pipe, readers_that_die_lose_no_byte) {
    struct heard {
        std::size_t bytes = 0;
        std::uint32_t next = 7;
        bool right = true, ended = false;
    };
    auto reads = [](named_pipe_stream& from, heard& all) -> task<void> {
        std::byte block[3000];
        while (!all.ended) {
            const result<std::size_t> got = co_await from.recv(block);
            if (!got) co_return;
            all.ended = *got == 0;
            all.bytes += *got;
            for (std::size_t i = 0; i < *got; ++i)
                all.right &= block[i] == static_cast<std::byte>((all.next = all.next * 1664525u + 1013904223u) >> 24);
        }
    };
    auto play = [](io::event_loop& here, auto read) -> task<void> {
        pipe_pair both = co_await make_pipes(here);
        heard all;
        counting_scope sends(here);
        sends.spawn(send_pattern(both.near, 2'000'000, true), "sends");
        for (unsigned round = 0; !all.ended && round < 100'000; ++round) {
            counting_scope scope(here);
            scope.spawn(read(both.far, all), "reads");
            for (unsigned i = 0; i < round % 5; ++i) co_await yield();
            if (round % 2 == 0) scope.destroy_all();
            if (round % 2 != 0) scope.request_stop();
            co_await scope.join();
            if (round % 16 == 0) (void)co_await sleep_for(100us);
        }
        co_await sends.join();
        EXPECT_EQ(all.bytes, 2'000'000u);
        EXPECT_TRUE(all.right);
    };
    loop->run(play(*loop, reads));
}

TEST_P(named_pipe, many_connections_at_a_time) {
    auto serves = [](named_pipe_stream at) -> task<void> {
        std::byte block[1000];
        for (;;) {
            const result<std::size_t> got = co_await at.recv(block);
            if (!got || *got == 0) co_return;
            const result<void> sent = co_await at.send_all(const_bytes(block).first(*got));
            if (!sent) co_return;
        }
    };
    auto listens = [](io::event_loop& here, const named_pipe_listener& at, auto serve, int count) -> task<void> {
        counting_scope scope(here);
        for (int i = 0; i < count; ++i) {
            result<named_pipe_stream> got = co_await at.accept();
            EXPECT_TRUE(got.has_value()) << got.error().message();
            if (!got) break;
            scope.spawn(serve(std::move(*got)), "serves");
        }
        co_await scope.join();
    };
    auto asks = [](io::event_loop& here, std::string to, int& good) -> task<void> {
        result<named_pipe_stream> at = co_await named_pipe_stream::connect(here, to);
        EXPECT_TRUE(at.has_value()) << at.error().message();
        if (!at) co_return;
        for (int i = 0; i < 5; ++i) {
            EXPECT_TRUE((co_await at->send_all(as_bytes("question"))).has_value());
            const std::string got = co_await read_text(*at);
            good += got == "question" ? 1 : 0;
        }
    };
    const int count = plain() ? 150 : 50;
    int good = 0;
    loop->run([](io::event_loop& here, std::string to, named_pipe_listener listener, auto listen, auto serve, auto ask,
                 int many, int& right) -> task<void> {
        counting_scope scope(here);
        scope.spawn(listen(here, listener, serve, many), "listens");
        for (int i = 0; i < many; ++i) scope.spawn(ask(here, to, right), "asks");
        co_await scope.join();
    }(*loop, name, bound(), listens, serves, asks, count, good));
    EXPECT_EQ(good, 5 * count);
}

TEST_P(named_pipe, a_hundred_megabytes_go_through_the_pump) {
    const std::size_t size = plain() ? 100'000'000 : 5'000'000;
    loop->run([](io::event_loop& here, std::size_t bytes) -> task<void> {
        pipe_pair left = co_await make_pipes(here);
        pipe_pair right = co_await make_pipes(here);
        auto [sent, got, back, got_back, done] = co_await when_all(
            send_pattern(left.near, bytes, true), receive_pattern(right.far), send_pattern(right.far, 100'000, true),
            receive_pattern(left.near), pump(left.far, right.near, {}));
        EXPECT_EQ(got, bytes);
        EXPECT_EQ(got_back, 100'000u);
        EXPECT_EQ(done.forth.bytes, bytes);
        EXPECT_EQ(done.forth.end, end_reason::eof);
        EXPECT_EQ(done.back.end, end_reason::eof);
    }(*loop, size));
}

TEST_P(named_pipe, a_pump_between_a_pipe_and_tcp) {
    loop->run([](io::event_loop& here) -> task<void> {
        pipe_pair left = co_await make_pipes(here);
        io::test::connection right = co_await io::test::make_connection(here);
        tcp_stream near(std::move(right.near)), far(std::move(right.far));
        auto [sent, got, back, got_back, done] =
            co_await when_all(send_pattern(left.near, 1'000'000, true), receive_pattern(far),
                              send_pattern(far, 500'000, true), receive_pattern(left.near), pump(left.far, near, {}));
        EXPECT_EQ(got, 1'000'000u);
        EXPECT_EQ(got_back, 500'000u);
        EXPECT_EQ(done.forth.end, end_reason::eof);
    }(*loop));
}

// Waits of all kinds are left behind by a loop that dies.
TEST_P(named_pipe, a_loop_may_die_while_everybody_waits) {
    auto waits = [](io::event_loop& here, std::string to, named_pipe_listener at) -> task<void> {
        pipe_pair both = co_await connected_pipes(here, at, to);
        (void)co_await fill_pipe(both.near.socket());
        counting_scope scope(here);
        std::string said;
        scope.spawn(accepts(at, said), "accepts");
        scope.spawn([](named_pipe_stream& from) -> task<void> { (void)co_await read_text(from); }(both.near), "reads");
        scope.spawn(
            [](named_pipe_stream& to_it) -> task<void> { (void)co_await to_it.send_all(as_bytes("x")); }(both.near),
            "sends");
        (void)co_await sleep_for(1h);
    };
    io::test::loop_under_test dying(GetParam());
    result<named_pipe_listener> listener = named_pipe_listener::bind(*dying, name);
    ASSERT_TRUE(listener.has_value());
    dying->spawn(waits(*dying, name, std::move(*listener)), "waits");
    dying->run(turns(50));
    const auto begin = std::chrono::steady_clock::now();
    dying.destroy();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 1500ms) << "both ends are gone: nobody is waited for";
}

INSTANTIATE_TEST_SUITE_P(all, named_pipe, testing::ValuesIn(with_pipes()), io::test::name_of_case);

TEST(named_pipes, a_simulation_has_none) {
    io::test::loop_under_test loop({io::reactor_kind::sim, 1});
    const result<named_pipe_listener> made = named_pipe_listener::bind(*loop, new_pipe_name());
    EXPECT_TRUE(!made && made.error() == errc::not_supported);
    const result<named_pipe_stream> came = loop->run(named_pipe_stream::connect(*loop, new_pipe_name()));
    EXPECT_TRUE(!came && came.error() == errc::not_supported);
}

}  // namespace
}  // namespace co_wq::net
