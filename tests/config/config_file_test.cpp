#include "proxy/config/config_file.hpp"

#include <gtest/gtest.h>

#include <filesystem>

namespace co_wq::proxy::config {
namespace {

using namespace std::chrono_literals;

options read(std::string_view text) {
    options made;
    problems wrong;
    load_text(text, "test.toml", "/nowhere", made, wrong);
    for (const problem& each : wrong) ADD_FAILURE() << each.text();
    return made;
}

TEST(config_file, an_empty_text_changes_nothing) {
    const options made = read("# nothing\n");
    const options before;
    EXPECT_EQ(made.threads, before.threads);
    EXPECT_EQ(made.limit.header_timeout, before.limit.header_timeout);
    EXPECT_EQ(made.names.resolv_conf, before.names.resolv_conf);
    EXPECT_TRUE(made.rules.listeners.empty());
    EXPECT_TRUE(made.rules.policies.empty());
}

TEST(config_file, every_limit_goes_where_it_belongs) {
    const options made = read(R"(
threads = 3
reactor = "epoll"
chaos = "7:0.5"
[log]
level = "warn"
file = "a.log"
append = true
[limits]
connections = 1
body = "2 B"
header_timeout = "3s"
keep_alive_timeout = "4s"
connect_timeout = "5s"
idle_timeout = "6s"
response_timeout = "7s"
drain_timeout = "8s"
pool_idle_timeout = "9s"
pool_per_host = 10
pool = 11
[dns]
servers = ["192.0.2.1", "[2001:db8::1]:54"]
resolv_conf = ""
hosts_file = "hosts"
search = false
query_timeout = "12s"
tries = 9
ttl_min = "14s"
ttl_max = "15s"
)");
    EXPECT_EQ(made.threads, 3u);
    EXPECT_EQ(made.reactor, io::reactor_kind::epoll);
    EXPECT_EQ(made.chaos.rate, 0.5);
    EXPECT_EQ(made.log.minimum, log::level::warn);
    EXPECT_EQ(std::filesystem::path(made.log.file), "/nowhere/a.log");
    EXPECT_TRUE(made.log.append);
    const limits& limit = made.limit;
    EXPECT_EQ(limit.connections_max, 1u);
    EXPECT_EQ(limit.body_bytes_max, 2u);
    EXPECT_EQ(limit.header_timeout, 3s);
    EXPECT_EQ(limit.keep_alive_timeout, 4s);
    EXPECT_EQ(limit.connect_timeout, 5s);
    EXPECT_EQ(limit.idle_timeout, 6s);
    EXPECT_EQ(limit.response_timeout, 7s);
    EXPECT_EQ(limit.drain_timeout, 8s);
    EXPECT_EQ(limit.pool_idle_timeout, 9s);
    EXPECT_EQ(limit.pool_per_host_max, 10u);
    EXPECT_EQ(limit.pool_max, 11u);
    EXPECT_EQ(made.names.servers, "192.0.2.1,[2001:db8::1]:54");
    EXPECT_EQ(made.names.resolv_conf, "");
    EXPECT_EQ(std::filesystem::path(made.names.hosts_file), "/nowhere/hosts");
    EXPECT_FALSE(made.names.search);
    EXPECT_EQ(made.names.query_timeout, 12s);
    EXPECT_EQ(made.names.tries, 9);
    EXPECT_EQ(made.names.ttl_min, 14s);
    EXPECT_EQ(made.names.ttl_max, 15s);
}

TEST(config_file, what_is_wrong_leaves_the_rest_as_it_was) {
    options made;
    problems wrong;
    load_text("threads = 5000\n[limits]\npool = -1\nheader_timeout = \"0s\"\n", "t", "", made, wrong);
    EXPECT_EQ(wrong.size(), 3u);
    EXPECT_EQ(made.threads, 0u);
    EXPECT_EQ(made.limit.pool_max, 512u);
    EXPECT_EQ(made.limit.header_timeout, 10s);
}

TEST(config_file, every_limit_of_one_client_and_one_request_goes_where_it_belongs) {
    const options made = read(R"([limits]
connections_per_client = 12
connections_per_user = 13
requests_per_second_per_client = "14:15"
requests_per_second_per_user = "16"
bytes_per_second_per_connection = "17 KiB"
bytes_per_second_per_client = "18 MiB"
bytes_per_second_per_user = "none"
memory = "19 MiB"
header_bytes = 2000
header_fields = 21
uri_bytes = 2200
request_timeout = "23s"
tunnel_timeout = "none"
[dns]
queries = 24
entries = 25
)");
    const limits& limit = made.limit;
    EXPECT_EQ(limit.connections_per_client, 12u);
    EXPECT_EQ(limit.connections_per_user, 13u);
    EXPECT_EQ(limit.requests_per_client, (rate{14, 15}));
    EXPECT_EQ(limit.requests_per_user, (rate{16, 16}));
    EXPECT_EQ(limit.bytes_per_connection, 17u << 10);
    EXPECT_EQ(limit.bytes_per_client, 18u << 20);
    EXPECT_EQ(limit.bytes_per_user, 0u);
    EXPECT_EQ(limit.memory_bytes_max, 19u << 20);
    EXPECT_EQ(limit.header_bytes_max, 2000u);
    EXPECT_EQ(limit.header_fields_max, 21u);
    EXPECT_EQ(limit.uri_bytes_max, 2200u);
    EXPECT_EQ(limit.request_timeout, 23s);
    EXPECT_EQ(limit.tunnel_timeout, 0s);
    EXPECT_EQ(made.names.queries_max, 24u);
    EXPECT_EQ(made.names.entries_max, 25u);
}

TEST(config_file, a_wrong_rate_says_what_to_write) {
    options made;
    problems wrong;
    load_text(
        "[limits]\nrequests_per_second_per_client = 5\nrequests_per_second_per_user = \"5/s\"\n"
        "bytes_per_second_per_user = \"1 B\"\nmemory = \"1 MiB\"\nrequest_timeout = \"no\"\n",
        "t", "", made, wrong);
    ASSERT_EQ(wrong.size(), 5u);
    for (const auto& [index, word] : {std::pair{0, "quotes"}, std::pair{1, "20:100"}, std::pair{2, "10MiB"},
                                      std::pair{3, "512MiB"}, std::pair{4, "10s"}})
        EXPECT_NE(wrong[static_cast<std::size_t>(index)].text().find(word), std::string::npos) << index;
    EXPECT_EQ(made.limit.requests_per_client, rate{});
    EXPECT_EQ(made.limit.memory_bytes_max, std::nullopt);
}

TEST(config_file, a_problem_is_one_line_whatever_the_file_holds) {
    options made;
    problems wrong;
    load_text("\"a\\nb\\u001b[2J\" = 1\nreactor = \"x\\ny\"\n", "t\n.toml", "", made, wrong);
    ASSERT_EQ(wrong.size(), 2u);
    for (const problem& each : wrong)
        for (const char c : each.text()) EXPECT_TRUE(static_cast<unsigned char>(c) >= 0x20) << each.text();
}

TEST(config_file, rules_keep_their_order_and_their_lines) {
    const options made = read(R"([[policies]]
name = "a"
default = "deny"
[[policies.rules]]
name = "one"
action = "allow"
to = ["a.example", "10.0.0.0/8", "::1"]
ports = [1, "2-3"]
[[policies.rules]]
action = "deny"
)");
    ASSERT_EQ(made.rules.policies.size(), 1u);
    const policy::policy& one = made.rules.policies[0];
    EXPECT_EQ(one.otherwise, policy::action::deny);
    EXPECT_FALSE(one.guard.has_value());
    ASSERT_EQ(one.rules.size(), 2u);
    EXPECT_EQ(one.rules[0].where.text(), "test.toml:4");
    EXPECT_EQ(one.rules[0].then, policy::action::allow);
    EXPECT_EQ(one.rules[0].addresses.size(), 2u);
    EXPECT_TRUE(one.rules[0].hosts.has("a.example"));
    EXPECT_EQ(one.rules[0].ports.size(), 2u);
    EXPECT_EQ(one.rules[1].where.text(), "test.toml:9");
    EXPECT_EQ(one.rules[1].then, policy::action::deny);
}

}  // namespace
}  // namespace co_wq::proxy::config
