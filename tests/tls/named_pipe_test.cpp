// TLS over a named pipe of Windows: no TCP below, and ends that are empty messages.
#include "net/named_pipes.hpp"
#include "world.hpp"

namespace co_wq::net::tls::test {
namespace {

class tls_on_pipe : public io::test::on_every_reactor {};

TEST_P(tls_on_pipe, carries_bytes_and_ends_each_way) {
    loop->run([](io::event_loop& here) -> task<void> {
        net::test::pipe_pair raw = co_await net::test::make_pipes(here);
        auto [client, server] =
            co_await when_all(connect(std::move(raw.near), the_house().clients(), std::string("example.net")),
                              accept(std::move(raw.far), the_house().servers()));
        EXPECT_TRUE(client.has_value()) << explain(client.error());
        EXPECT_TRUE(server.has_value()) << explain(server.error());
        if (!client || !server) co_return;
        const std::string question = pattern(300'000), answer = pattern(200'000, 2);
        auto asks = [](const stream& at, std::string text) -> task<std::string> {
            EXPECT_EQ(co_await send_text(at, std::move(text)), "ok");
            EXPECT_TRUE(at.shutdown_send().has_value());
            std::string got = co_await read_all(at);
            co_return got;
        };
        auto answers = [](const stream& at, std::string text) -> task<std::string> {
            std::string got = co_await read_all(at);
            EXPECT_EQ(co_await send_text(at, std::move(text)), "ok");
            EXPECT_TRUE(at.shutdown_send().has_value());
            co_return got;
        };
        auto [back, there] = co_await when_all(asks(*client, question), answers(*server, answer));
        EXPECT_TRUE(there == question);
        EXPECT_TRUE(back == answer);
    }(*loop));
    expect_quiet();
}

std::vector<io::test::backend> with_pipes() {
    std::vector<io::test::backend> all = io::test::kernel_backends();
    all.insert(all.end(), io::test::unruly_kernels.begin(), io::test::unruly_kernels.end());
    return all;
}
INSTANTIATE_TEST_SUITE_P(all, tls_on_pipe, testing::ValuesIn(with_pipes()), io::test::name_of_case);

}  // namespace
}  // namespace co_wq::net::tls::test
