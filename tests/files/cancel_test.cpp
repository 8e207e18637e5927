// Calls that are cancelled, whose frame dies, or whose file is closed: before they begin, under way, and when their
// result has come.
#include "task/with_stop.hpp"
#include "world.hpp"

#ifndef _WIN32
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace co_wq::io::test {
namespace {

using namespace std::chrono_literals;
using file_cancel = on_files;

struct words {
    bool ended = false;
    std::string text;
    std::size_t written = 0;
    bool has_block = false;
};

task<void> reads(const file& from, words& said) {
    const result<lease> got = co_await from.read_at(0, 4096);
    said.text = got ? std::string(as_text(got->data())) : got.error().message();
    said.ended = true;
}

task<void> writes(const file& to, words& said) {
    file_written done = co_await to.write_at(0, block_of(to.loop(), std::string(100'000, 'w')));
    said.text = done.outcome ? "ok" : done.outcome.error().message();
    said.written = done.written;
    said.has_block = done.buffer.size() == 100'000;
    said.ended = true;
}

task<void> opens(event_loop& here, std::string where, words& said) {
    const result<file> made = co_await file::open(here, where, fresh);
    said.text = made ? "ok" : made.error().message();
    said.ended = true;
}

TEST_P(file_cancel, what_has_not_begun_is_taken_back_at_once) {
    put("f", "text");
    auto work = [](event_loop& here, std::string in) -> task<void> {
        const file one = co_await opened(here, in + "/f", fresh);
        service_of(here).pause();
        counting_scope scope(here);
        words read, wrote, made;
        scope.spawn(reads(one, read), "read");
        scope.spawn(writes(one, wrote), "write");
        scope.spawn(opens(here, in + "/new", made), "open");
        co_await yield();
        co_await yield();
        EXPECT_FALSE(read.ended);
        scope.request_stop();
        co_await scope.join();
        EXPECT_EQ(read.text, "stopped");
        EXPECT_EQ(wrote.text, "stopped");
        EXPECT_EQ(wrote.written, 0u);
        EXPECT_TRUE(wrote.has_block);
        EXPECT_EQ(made.text, "stopped");
        service_of(here).resume();
        const result<lease> unharmed = co_await one.read_at(0, 10);
        EXPECT_EQ(as_text(unharmed->data()), "text");
    };
    loop->run(work(*loop, folder));
    EXPECT_FALSE(exists("new"));
    EXPECT_EQ(text_of("f"), "text");
}

TEST_P(file_cancel, a_deadline_ends_what_has_not_begun) {
    put("f", "text");
    auto work = [](event_loop& here, std::string where) -> task<void> {
        const file one = co_await opened(here, where);
        service_of(here).pause();
        words read;
        co_await with_timeout(1ms, reads(one, read));
        EXPECT_EQ(read.text, "timed out");
        service_of(here).resume();
    };
    loop->run(work(*loop, path("f")));
}

TEST_P(file_cancel, a_cancelled_scope_begins_nothing_but_closes) {
    auto work = [](event_loop& here, std::string where) -> task<void> {
        file one = co_await opened(here, where, fresh);
        counting_scope scope(here);
        scope.request_stop();
        words read;
        scope.spawn(reads(one, read), "read");
        auto finishes = [](file& on, result<void>& into) -> task<void> { into = co_await on.finish(); };
        result<void> finished = fail(errc::other);
        scope.spawn(finishes(one, finished), "finish");
        co_await scope.join();
        EXPECT_EQ(read.text, "stopped");
        EXPECT_TRUE(finished.has_value());
        EXPECT_FALSE(one.is_open());
    };
    loop->run(work(*loop, path("f")));
}

TEST_P(file_cancel, closing_the_file_ends_what_waits_on_it) {
    put("f", "text");
    auto work = [](event_loop& here, std::string where) -> task<void> {
        file one = co_await opened(here, where, fresh);
        const file other = co_await opened(here, where);
        service_of(here).pause();
        counting_scope scope(here);
        words read, wrote, elsewhere;
        scope.spawn(reads(one, read), "read");
        scope.spawn(writes(one, wrote), "write");
        scope.spawn(reads(other, elsewhere), "read");
        co_await yield();
        co_await yield();
        one.close();
        for (int i = 0; i < 4; ++i) co_await yield();
        EXPECT_EQ(read.text, "closed");
        EXPECT_EQ(wrote.text, "closed");
        EXPECT_TRUE(wrote.has_block);
        EXPECT_FALSE(elsewhere.ended);
        service_of(here).resume();
        co_await scope.join();
        EXPECT_EQ(elsewhere.text, "text");
    };
    loop->run(work(*loop, path("f")));
    EXPECT_EQ(text_of("f"), "text");
}

// The frame dies some turns after its call has begun, at each of its states.
task<void> destroy_after(event_loop& here, std::string in, int turns, int what, bool close_first) {
    file one = co_await opened(here, in + "/f", fresh);
    counting_scope scope(here);
    words said;
    service_of(here).pause();
    if (what == 0) scope.spawn(reads(one, said), "read");
    if (what == 1) scope.spawn(writes(one, said), "write");
    if (what == 2) scope.spawn(opens(here, in + "/new", said), "open");
    co_await yield();
    co_await yield();
    if (turns >= 0) service_of(here).resume();
    for (int i = 0; i < turns; ++i) {
        if (i % 4 == 3) {
            (void)co_await sleep_for(50us);
        } else {
            co_await yield();
        }
    }
    if (close_first) one.close();
    const bool ended = said.ended;
    scope.destroy_all();
    service_of(here).resume();
    for (int i = 0; i < 4; ++i) co_await yield();
    EXPECT_EQ(said.ended, ended);
}

TEST_P(file_cancel, a_frame_may_die_at_any_time) {
    put("f", "text");
    for (int turns = -1; turns < 14; ++turns)
        for (int what = 0; what < 3; ++what)
            for (const bool close_first : {false, true})
                loop->run(destroy_after(*loop, folder, turns, what, close_first));
    expect_nothing_left();
}

TEST_P(file_cancel, a_scope_may_be_cancelled_at_any_time) {
    put("f", "text");
    auto work = [](event_loop& here, std::string in, int turns, int what) -> task<void> {
        const file one = co_await opened(here, in + "/f", fresh);
        counting_scope scope(here);
        words said;
        if (what == 0) scope.spawn(reads(one, said), "read");
        if (what == 1) scope.spawn(writes(one, said), "write");
        if (what == 2) scope.spawn(opens(here, in + "/new", said), "open");
        for (int i = 0; i < turns; ++i) co_await yield();
        scope.request_stop();
        co_await scope.join();
        EXPECT_TRUE(said.ended);
        if (what == 1 && said.text == "ok") EXPECT_EQ(said.written, 100'000u);
        if (what == 1) EXPECT_TRUE(said.has_block);
        if (what != 0) EXPECT_TRUE(said.text == "ok" || said.text == "stopped") << said.text;
    };
    for (int turns = 0; turns < 12; ++turns)
        for (int what = 0; what < 3; ++what) loop->run(work(*loop, folder, turns, what));
}

#ifndef _WIN32  // there, opening waits for nobody
// A fifo that nobody writes to keeps a thread that opens it; the other end lets go of it.
TEST_P(file_cancel, what_is_opened_for_nobody_is_closed) {
    ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
    auto work = [](event_loop& here, std::string where) -> task<void> {
        counting_scope scope(here);
        words said;
        auto waits = [](event_loop& at, std::string what, words& into) -> task<void> {
            const result<file> made = co_await file::open(at, what);
            into.text = made ? "ok" : made.error().message();
            into.ended = true;
        };
        scope.spawn(waits(here, where, said), "open");
        for (int i = 0; i < 4; ++i) (void)co_await sleep_for(1ms);
        EXPECT_FALSE(said.ended);
        scope.destroy_all();
        // whoever asked is gone; the call may still be there, or the kernel took it back
        const int other_end = ::open(where.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
        EXPECT_GE(other_end, 0);
        ::close(other_end);
        EXPECT_FALSE(said.ended);
    };
    loop->run(work(*loop, path("pipe")));
    // let late results in: an open that was let go by the other end has to be seen, and its file closed
    for (int i = 0; i < 200 && loop->slots().counters().in_flight() > 1; ++i) {
        const int other_end = ::open(path("pipe").c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
        loop->run([]() -> task<void> { (void)co_await sleep_for(1ms); }());
        ::close(other_end);
    }
}
#endif

TEST_P(file_cancel, what_waits_for_room_waits_in_order_and_all_of_it_comes) {
    auto work = [](event_loop& here, std::string in) -> task<void> {
        const file_system paths(here);
        counting_scope scope(here);
        int found = 0;
        auto looks = [](file_system on, std::string where, int& count) -> task<void> {
            const result<file_status> seen = co_await on.status(where);
            if (seen) ++count;
        };
        for (int i = 0; i < 3000; ++i) scope.spawn(looks(paths, in, found), "look");
        co_await scope.join();
        EXPECT_EQ(found, 3000);
    };
    loop->run(work(*loop, folder));
}

INSTANTIATE_TEST_SUITE_P(reactors, file_cancel, every_kernel, name_of_case);

}  // namespace
}  // namespace co_wq::io::test
