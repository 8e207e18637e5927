// hiredis on the bridge, against a real redis-server of the test's own.
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "io/event_loop.hpp"
#include "io/signal.hpp"
#include "redis_client.hpp"
#include "sync/deadline.hpp"
#include "sync/sleep.hpp"
#include "task/when.hpp"
#include "task/yield.hpp"

namespace co_wq::io::test {
namespace {

using namespace std::chrono_literals;
using examples::redis_client;
using text = result<std::string>;

class program {
public:
    explicit program(std::vector<std::string> words) {
        std::vector<char*> given;
        for (std::string& word : words) given.push_back(word.data());
        given.push_back(nullptr);
        EXPECT_EQ(::posix_spawn(&pid_, given[0], nullptr, nullptr, given.data(), environ), 0);
    }
    program(const program&) = delete;
    ~program() { kill(); }
    void kill() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        (void)wait();
    }
    int wait() {
        int status = 0;
        ::waitpid(std::exchange(pid_, 0), &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }

private:
    pid_t pid_ = 0;
};

// A server that listens at a path in a folder of its own, and keeps nothing.
class server {
public:
    server() {
        std::string pattern = std::filesystem::temp_directory_path() / "co_wq_redis_XXXXXX";
        folder_ = ::mkdtemp(pattern.data());
        running_.emplace(std::vector<std::string>{CO_WQ_REDIS_SERVER, "--port", "0", "--unixsocket", path(), "--save",
                                                  "", "--appendonly", "no", "--dir", folder_, "--loglevel", "warning",
                                                  "--logfile", folder_ + "/log"});
    }
    server(const server&) = delete;
    ~server() {
        running_.reset();
        std::filesystem::remove_all(folder_);
    }
    std::string path() const { return folder_ + "/socket"; }
    void kill() { running_->kill(); }

    // Until it answers.
    task<bool> up(event_loop& loop) {
        for (int i = 0; i < 1000; ++i) {
            redis_client asking(loop, path(), 0);
            const text pong = co_await asking.command("PING");
            if (pong) co_return true;
            (void)co_await sleep_for(10ms);
        }
        co_return false;
    }

private:
    std::string folder_;
    std::optional<program> running_;
};

class redis : public testing::TestWithParam<reactor_kind> {
protected:
    redis() : loop(loop_options{.reactor = GetParam(), .name = "test"}) { ignore_sigpipe(); }
    void TearDown() override {
        loop.run(emptied(loop));
        EXPECT_EQ(loop.reactor().descriptors().live(), 0u);
    }
    static task<void> emptied(event_loop& here) {
        for (int i = 0; i < 1000 && here.reactor().descriptors().live() > 0; ++i) (void)co_await sleep_for(1ms);
    }

    server host;
    event_loop loop;
};

task<void> keep(task<text> work, std::optional<text>& into) {
    text got = co_await std::move(work);
    into.emplace(std::move(got));
}

TEST_P(redis, answers_pipelined_commands_in_their_order) {
    static constexpr auto body = [](event_loop& here, server& at) -> task<void> {
        EXPECT_TRUE(co_await at.up(here));
        redis_client client(here, at.path(), 0);
        std::vector<task<text>> all;
        for (int i = 0; i < 2000; ++i) {
            const std::string number = std::to_string(i);
            all.push_back(client.command("SET", "key" + number, std::string(100, 'v') + number));
            all.push_back(client.command("GET", "key" + number));
        }
        const std::vector<text> replies = co_await when_all(std::move(all));
        for (std::size_t i = 0; i < replies.size(); i += 2) {
            EXPECT_EQ(replies[i].value_or("?"), "OK");
            EXPECT_EQ(replies[i + 1].value_or("?"), std::string(100, 'v') + std::to_string(i / 2));
        }
        const text none = co_await client.command("GET", "nothing");
        EXPECT_EQ(none.error(), errc::not_found);
        const text wrong = co_await client.command("NO SUCH COMMAND");
        EXPECT_EQ(wrong.error(), errc::bad_message);
        const std::string big(3'000'000, 'b');  // more than a socket takes at once, both ways
        const text set = co_await client.command("SET", "big", big);
        EXPECT_TRUE(set.has_value());
        const text got = co_await client.command("GET", "big");
        EXPECT_TRUE(got && *got == big);
    };
    loop.run(body(loop, host));
}

TEST_P(redis, a_command_that_ran_out_of_time_leaves_the_connection_in_order) {
    static constexpr auto body = [](event_loop& here, server& at) -> task<void> {
        EXPECT_TRUE(co_await at.up(here));
        redis_client client(here, at.path(), 0), other(here, at.path(), 0);
        const text late = co_await with_timeout(20ms, client.command("BLPOP", "list", "0"));
        EXPECT_EQ(late.error(), errc::timed_out);
        counting_scope scope(here);
        std::optional<text> pong;
        scope.spawn(keep(client.command("PING"), pong), "ping");
        (void)co_await sleep_for(20ms);
        EXPECT_FALSE(pong.has_value());  // behind the one that waits
        const text pushed = co_await other.command("LPUSH", "list", "for nobody");
        EXPECT_TRUE(pushed.has_value());
        co_await scope.join();
        EXPECT_EQ(pong.value_or("?").value_or("?"), "PONG");  // not the late answer
    };
    loop.run(body(loop, host));
}

TEST_P(redis, a_frame_that_dies_with_its_command_under_way_is_not_called) {
    static constexpr auto body = [](event_loop& here, server& at) -> task<void> {
        EXPECT_TRUE(co_await at.up(here));
        redis_client client(here, at.path(), 0);
        for (int i = 0; i < 50; ++i) {
            std::optional<text> never;
            {
                counting_scope scope(here);
                scope.spawn(keep(client.command("PING"), never), "ping");
                for (int turn = 0; turn < i % 10; ++turn) co_await yield();
            }
            const text echo = co_await client.command("ECHO", "alive");
            EXPECT_EQ(echo.value_or("?"), "alive");
        }
    };
    loop.run(body(loop, host));
}

TEST_P(redis, a_client_that_dies_ends_its_commands) {
    static constexpr auto body = [](event_loop& here, server& at) -> task<void> {
        EXPECT_TRUE(co_await at.up(here));
        std::optional<redis_client> client(std::in_place, here, at.path(), 0);
        counting_scope scope(here);
        std::optional<text> first, second;
        scope.spawn(keep(client->command("BLPOP", "list", "0"), first), "first");
        scope.spawn(keep(client->command("PING"), second), "second");
        (void)co_await sleep_for(10ms);
        client.reset();
        co_await scope.join();
        EXPECT_EQ(first->error(), errc::closed);
        EXPECT_EQ(second->error(), errc::closed);
    };
    loop.run(body(loop, host));
}

TEST_P(redis, a_server_that_is_killed_gives_a_named_error) {
    static constexpr auto body = [](event_loop& here, server& at) -> task<void> {
        EXPECT_TRUE(co_await at.up(here));
        redis_client client(here, at.path(), 0);
        counting_scope scope(here);
        std::optional<text> first, second;
        scope.spawn(keep(client.command("BLPOP", "list", "0"), first), "first");
        scope.spawn(keep(client.command("PING"), second), "second");
        (void)co_await sleep_for(10ms);
        at.kill();
        co_await scope.join();
        const auto named = [](const text& got) {
            return !got && (got.error() == errc::unexpected_eof || got.error() == errc::connection_reset);
        };
        EXPECT_TRUE(named(*first)) << first->error().message();
        EXPECT_TRUE(named(*second)) << second->error().message();
        const text later = co_await client.command("PING");
        EXPECT_TRUE(named(later));
    };
    loop.run(body(loop, host));
}

TEST_P(redis, a_server_that_is_not_there_gives_a_named_error) {
    static constexpr auto body = [](event_loop& here) -> task<void> {
        redis_client nowhere(here, "/nowhere/at/all", 0);
        const text local = co_await nowhere.command("PING");
        EXPECT_FALSE(local.has_value());
        // bound and not listening: its port is nobody else's
        socket_calls& calls = here.reactor().calls();
        const auto taken = calls.open_datagram(address_family::ipv4);
        socket_address where;
        if (const auto door = calls.open_listener(socket_address::loopback(0), 1, false)) {
            where = *calls.local_address(*door);
            calls.close(*door);
        }
        redis_client refused(here, "127.0.0.1", where.port());
        const text far = co_await refused.command("PING");
        EXPECT_EQ(far.error(), errc::connection_refused);
        calls.close(*taken);
    };
    loop.run(body(loop));
}

TEST_P(redis, the_example_runs) {
    static constexpr auto body = [](event_loop& here, server& at) -> task<void> { EXPECT_TRUE(co_await at.up(here)); };
    loop.run(body(loop, host));
    program example({CO_WQ_REDIS_PING, host.path()});
    EXPECT_EQ(example.wait(), 0);
    program nobody({CO_WQ_REDIS_PING, host.path() + ".none"});
    EXPECT_EQ(nobody.wait(), 1);
}

INSTANTIATE_TEST_SUITE_P(reactors, redis, testing::Values(reactor_kind::epoll, reactor_kind::uring),
                         [](const auto& info) { return std::string(name_of(info.param)); });

}  // namespace
}  // namespace co_wq::io::test
