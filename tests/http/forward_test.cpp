#include "http/forward.hpp"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

namespace co_wq::http {
namespace {

using fields = std::initializer_list<std::pair<std::string_view, std::string_view>>;

header_list list_of(fields from) {
    header_list list;
    for (const auto& [name, value] : from) list.add(name, value);
    return list;
}

std::string kept(fields from) {
    std::string names;
    for (const field each : forwardable(list_of(from))) names += std::string(each.name) + " ";
    return names;
}

TEST(forward, fields_of_one_connection_stay_on_it) {
    EXPECT_EQ(kept({{"Host", "a"},
                    {"Connection", "keep-alive"},
                    {"Proxy-Connection", "keep-alive"},
                    {"Keep-Alive", "timeout=5"},
                    {"TE", "trailers"},
                    {"Transfer-Encoding", "chunked"},
                    {"Upgrade", "websocket"},
                    {"HTTP2-Settings", "AAMAAABk"},
                    {"Trailer", "X-Sum"},
                    {"Accept", "*/*"}}),
              "Host Trailer Accept ");
}

TEST(forward, the_proxys_credentials_are_not_passed_on) {
    EXPECT_EQ(kept({{"Proxy-Authorization", "Basic eDp5"},
                    {"proxy-authenticate", "Basic"},
                    {"PROXY-AUTHENTICATION-INFO", "x"},
                    {"Authorization", "Basic eDp5"}}),
              "Authorization ");
}

TEST(forward, what_connection_names_goes_with_it_in_any_case_and_on_any_line) {
    EXPECT_EQ(kept({{"X-One", "1"},
                    {"Connection", "close, x-one"},
                    {"x-two", "2"},
                    {"X-Three", "3"},
                    {"Connection", ", X-TWO ,"},
                    {"Cookie", "c"},
                    {"Connection", "cookie"}}),
              "X-Three ");
}

TEST(forward, framing_and_routing_cannot_be_named_away) {
    EXPECT_EQ(kept({{"Connection", "host, content-length, via, max-forwards, cache-control"},
                    {"Host", "a"},
                    {"Content-Length", "1"},
                    {"Via", "1.1 a"},
                    {"Max-Forwards", "1"},
                    {"Cache-Control", "no-store"}}),
              "Host Content-Length Via Max-Forwards Cache-Control ");
}

TEST(forward, more_options_than_the_filter_remembers_are_obeyed_too) {
    header_list list;
    std::string options;
    for (int i = 0; i < 40; ++i) {
        list.add("X-" + std::to_string(i), "1");
        options += "x-" + std::to_string(i) + ",";
    }
    list.add("Connection", options);
    list.add("X-40", "1");
    const header_list rest = forwardable(list);
    ASSERT_EQ(rest.size(), 1u);
    EXPECT_EQ(rest[0].name, "X-40");
}

TEST(forward, max_forwards_counts_down_for_trace_and_options_only) {
    using verdict = forward_budget::verdict;
    const header_list three = list_of({{"Max-Forwards", "3"}});
    EXPECT_EQ(budget_of(method::get, three).what, verdict::unlimited);
    EXPECT_EQ(budget_of(method::trace, {}).what, verdict::unlimited);
    EXPECT_EQ(budget_of(method::trace, three).what, verdict::forward);
    EXPECT_EQ(budget_of(method::trace, three).left, 2u);
    EXPECT_EQ(budget_of(method::options, list_of({{"Max-Forwards", "0"}})).what, verdict::answer);
    for (const std::string_view bad : {"", "-1", "1x", "+1", "1, 2"})
        EXPECT_EQ(budget_of(method::options, list_of({{"Max-Forwards", bad}})).what, verdict::invalid) << bad;
    EXPECT_EQ(budget_of(method::trace, list_of({{"Max-Forwards", "1"}, {"Max-Forwards", "2"}})).what, verdict::invalid);
    EXPECT_EQ(budget_of(method::trace, list_of({{"Max-Forwards", "99999999999999999999"}})).left, 999'999u);
}

TEST(forward, a_loop_is_seen_in_via) {
    const header_list list = list_of({{"Via", "1.0 fred, 1.1 p.example.net (Apache/1.1)"}, {"via", "HTTP/1.1  Me"}});
    EXPECT_TRUE(came_through(list, "me"));
    EXPECT_TRUE(came_through(list, "p.example.net"));
    EXPECT_FALSE(came_through(list, "p.example"));
    EXPECT_FALSE(came_through(list, "1.1"));
    EXPECT_FALSE(came_through({}, "me"));
}

}  // namespace
}  // namespace co_wq::http
