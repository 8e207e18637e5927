// Asks a redis server, many commands at once on one connection: redis_ping HOST PORT, or redis_ping PATH. Shows
// foreign_descriptors through redis_client.hpp.
#include <cstdio>
#include <cstdlib>

#include "io/signal.hpp"
#include "redis_client.hpp"
#include "sync/deadline.hpp"
#include "task/when.hpp"

using namespace co_wq;

task<int> run(io::event_loop& loop, std::string where, int port) {
    examples::redis_client redis(loop, where, port);
    const result<std::string> pong = co_await with_timeout(std::chrono::seconds(5), redis.command("PING"));
    if (!pong) {
        std::fprintf(stderr, "redis at %s: %s\n", where.c_str(), pong.error().message().c_str());
        co_return 1;
    }
    std::printf("%s\n", pong->c_str());

    std::vector<task<result<std::string>>> all;
    for (int i = 0; i < 1000; ++i) {
        const std::string number = std::to_string(i);
        all.push_back(redis.command("SET", "co_wq:" + number, number));
        all.push_back(redis.command("GET", "co_wq:" + number));
        all.push_back(redis.command("DEL", "co_wq:" + number));
    }
    const auto replies = co_await when_all(std::move(all));
    int right = 0;
    for (std::size_t i = 0; i < replies.size(); i += 3)
        right += replies[i + 1] && *replies[i + 1] == std::to_string(i / 3);
    std::printf("%d of 1000 right\n", right);
    co_return right == 1000 ? 0 : 1;
}

int main(int count, char** words) {
    if (count < 2) {
        std::fprintf(stderr, "usage: redis_ping HOST PORT | PATH\n");
        return 2;
    }
    io::ignore_sigpipe();  // hiredis writes with write(2)
    io::event_loop loop;
    return loop.run(run(loop, words[1], count > 2 ? std::atoi(words[2]) : 0));
}
