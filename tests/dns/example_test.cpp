// The example program that asks DNS, run against the tests' own name server.
#include <array>
#include <cstdio>
#include <thread>

#include "sync/event.hpp"
#include "world.hpp"

namespace co_wq::net::dns::test {
namespace {

std::string output_of(const std::string& command) {
    FILE* const pipe = ::popen((command + " 2>&1").c_str(), "r");
    if (!pipe) return "not started";
    std::string text;
    std::array<char, 256> part;
    while (const std::size_t got = std::fread(part.data(), 1, part.size(), pipe)) text.append(part.data(), got);
    const int status = ::pclose(pipe);
    return status == 0 ? text : text + "exit";
}

reply everything(const question& asked) {
    if (asked.name == "www.example" && asked.type == type_a)
        return {.records = {cname("edge.example"), a("192.0.2.1", 300, "edge.example")}};
    if (asked.name == "a.example") return both_families(asked);
    if (asked.type == type_srv) return {.records = {srv(1, 2, 993, "a.example")}};
    if (asked.type == type_mx) return {.records = {mx(10, "mail.example")}};
    if (asked.type == type_txt) return {.records = {txt({"one", "two"})}};
    if (asked.type == type_ptr) return {.records = {ptr("host.example")}};
    if (asked.type == 99) return {.records = {{"", 99, 60, "\x01\x02"}}};
    if (asked.name == "none.example") return {.rcode = nxdomain};
    return {};
}

TEST(example, resolve_shows_every_kind_of_answer) {
    io::event_loop loop({.reactor = io::reactor_kind::epoll});
    name_server server(loop);
    server.answer(everything);
    const std::string program = std::string(CO_WQ_EXAMPLE_RESOLVE) + " @" + server.address() + " ";
    std::array<std::string, 8> got;
    event done;
    std::thread outside([&] {
        const std::array<const char*, 8> asked{
            "www.example.", "_imap._tcp.example srv", "example mx", "example txt", "192.0.2.1",
            "example 99",   "none.example.",          "a..b"};
        for (std::size_t i = 0; i < asked.size(); ++i) got[i] = output_of(program + asked[i]);
        loop.post_message([&done] { done.set(); });
    });
    loop.run([](event& until) -> task<void> { (void)co_await until.wait(); }(done));
    outside.join();
    EXPECT_EQ(got[0], "www.example is an alias\nedge.example has address 192.0.2.1\n");
    EXPECT_EQ(got[1], "priority 1 weight 2 a.example:993 2001:db8::1 192.0.2.1\n");
    EXPECT_EQ(got[2], "preference 10 mail.example\n");
    EXPECT_EQ(got[3], "text onetwo\n");
    EXPECT_EQ(got[4], "192.0.2.1 is host.example\n");
    EXPECT_EQ(got[5], "example type 99 for 60 s: 01 02\n");
    EXPECT_EQ(got[6], "name not found: Domain name not found\nexit");
    EXPECT_EQ(got[7], "invalid argument\nexit");
}

}  // namespace
}  // namespace co_wq::net::dns::test
