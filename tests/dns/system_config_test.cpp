// resolv.conf and its environment, and the full names a name may stand for.
#include "net/dns/detail/system_config.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "net/dns/detail/config_source.hpp"
#include "net/dns/resolver_options.hpp"

namespace co_wq::net::dns::detail {
namespace {

using namespace std::chrono_literals;
using words = std::vector<std::string>;

std::string names(const search_rules& rules, std::string_view name) {
    std::string text;
    name_room room;
    for (std::size_t i = 0; i < rules.count(name); ++i) text += std::string(rules.at(name, i, room)) + " ";
    return text;
}

TEST(resolv_conf, a_usual_file) {
    const system_config got = parse_resolv_conf(
        "# by hand\n"
        "; and so\n"
        "nameserver 192.0.2.1\n"
        "nameserver\t2001:db8::1  # the other\n"
        "search Corp.example  example.\r\n"
        "options ndots:2 timeout:3 attempts:4 rotate use-vc edns0 no-tld-query\n",
        "");
    EXPECT_EQ(got.servers, (words{"192.0.2.1", "[2001:db8::1]"}));
    EXPECT_EQ(got.search, (words{"corp.example", "example"}));
    EXPECT_EQ(got.ndots, 2u);
    EXPECT_EQ(got.timeout, 3s);
    EXPECT_EQ(got.attempts, 4);
    EXPECT_TRUE(got.rotate && got.use_tcp && got.edns && got.reload);
    EXPECT_FALSE(got.tld_query);
}

TEST(resolv_conf, what_makes_no_sense_is_passed_over) {
    const system_config got = parse_resolv_conf(
        "nameserver\nnameserver not-an-address\nnameserver fe80::1%eth0\nnameserver192.0.2.9\n"
        "search bad..name good.example good.example\n"
        "options ndots: ndots:x ndots:-1 timeout:0 attempts:0 unknown:7 ndots\nnonsense\n\n   \noptions",
        "");
    EXPECT_EQ(got, (system_config{.search = {"good.example"}}));
    EXPECT_EQ(parse_resolv_conf("", ""), system_config{});
    EXPECT_EQ(parse_resolv_conf(std::string(70'000, '\0'), ""), system_config{});
}

TEST(resolv_conf, values_are_bounded) {
    const system_config got = parse_resolv_conf("options ndots:99 timeout:4000 attempts:99999999999999999999", "");
    EXPECT_EQ(got.ndots, 15u);
    EXPECT_EQ(got.timeout, 30s);
    EXPECT_EQ(got.attempts, 5);
    std::string many;
    for (int i = 0; i < 100; ++i) many += "nameserver 192.0.2." + std::to_string(i) + "\n";
    EXPECT_EQ(parse_resolv_conf(many, "").servers.size(), servers_max);
}

TEST(resolv_conf, the_last_list_of_domains_counts_and_the_hosts_own_domain_if_there_is_none) {
    EXPECT_EQ(parse_resolv_conf("search a.example\ndomain b.example c.example\n", "").search, words{"b.example"});
    EXPECT_EQ(parse_resolv_conf("domain b.example\nsearch a.example c.example\n", "").search,
              (words{"a.example", "c.example"}));
    EXPECT_EQ(parse_resolv_conf("", "host.corp.example").search, words{"corp.example"});
    EXPECT_EQ(parse_resolv_conf("", "host").search, words{});
    EXPECT_EQ(parse_resolv_conf("search .\n", "host.corp.example").search, words{""});
}

TEST(resolv_conf, the_environment_comes_last) {
    system_config got = parse_resolv_conf("search a.example\noptions ndots:2\n", "");
    apply_environment(got, "x.example y.example", "ndots:3 edns0");
    EXPECT_EQ(got.search, (words{"x.example", "y.example"}));
    EXPECT_EQ(got.ndots, 3u);
    EXPECT_TRUE(got.edns);
    system_config same = got;
    apply_environment(same, nullptr, nullptr);
    EXPECT_EQ(same, got);
    apply_environment(got, "", "");
    EXPECT_EQ(got.search, words{});
}

TEST(config_source, the_systems_own_is_read_when_it_may_have_changed) {
    config_source here(system_configuration());
    const time_point start{1h};
    const bool there = here.has_changed(start);
    EXPECT_FALSE(here.has_changed(start));  // not looked at
    const std::string text = here.text();
    EXPECT_TRUE(there || text.empty());
    EXPECT_TRUE(std::filesystem::path(system_hosts_file()).is_absolute());
    if (os::name_settings::open() == nullptr) GTEST_SKIP() << "it is a file";
    for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1)
        EXPECT_TRUE(text.compare(at, 11, "nameserver ") == 0 || text.compare(at, 7, "search ") == 0) << text;
    EXPECT_FALSE(here.has_changed(start + 2s));
    const system_config got = parse_resolv_conf(text, "");
    EXPECT_EQ(static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')),
              got.servers.size() + (got.search.empty() ? 0 : 1));
}

TEST(config_source, what_is_no_file_is_empty_and_never_changes) {
    for (const char* path : {"", "/nonexistent/file", "/"}) {
        config_source none(path);
        EXPECT_FALSE(none.has_changed(time_point{1h})) << path;
        EXPECT_EQ(none.text(), "") << path;
    }
}

TEST(search_rules, names_with_enough_dots_come_first_as_they_are) {
    const search_rules rules{.domains = {"a.example", "b.example"}, .ndots = 1};
    EXPECT_EQ(names(rules, "host"), "host.a.example host.b.example host ");
    EXPECT_EQ(names(rules, "www.host"), "www.host www.host.a.example www.host.b.example ");
    EXPECT_EQ(names(rules, "host."), "host ");
    const search_rules five{.domains = {"a.example"}, .ndots = 5};
    EXPECT_EQ(names(five, "www.google.com"), "www.google.com.a.example www.google.com ");
    const search_rules none{.domains = {"a.example"}, .ndots = 0};
    EXPECT_EQ(names(none, "host"), "host host.a.example ");
    EXPECT_EQ(names(search_rules{}, "host"), "host ");
}

TEST(search_rules, a_single_label_is_not_told_to_the_root_when_the_options_say_so) {
    const search_rules rules{.domains = {"a.example"}, .ndots = 1, .tld_query = false};
    EXPECT_EQ(names(rules, "host"), "host.a.example ");
    EXPECT_EQ(names(rules, "host."), "host ");
    EXPECT_EQ(names(rules, "www.host"), "www.host www.host.a.example ");
    EXPECT_EQ(names({.domains = {}, .ndots = 1, .tld_query = false}, "host"), "");
}

TEST(search_rules, a_name_that_would_be_too_long_is_left_out_and_the_root_is_a_domain) {
    const std::string domain = std::string(60, 'd') + "." + std::string(60, 'e') + "." + std::string(60, 'f');
    const search_rules rules{.domains = {domain, ""}, .ndots = 1};
    const std::string name = std::string(63, 'n');
    EXPECT_EQ(names(rules, name), name + "." + domain + " " + name + " " + name + " ");
    const std::string longer = "x." + std::string(63, 'n') + "." + std::string(12, 'n');
    name_room room;
    EXPECT_TRUE(rules.at(longer, 1, room).empty());
}

TEST(local_names, are_told_from_others) {
    EXPECT_TRUE(is_local_name("printer.local"));
    EXPECT_TRUE(is_local_name("local"));
    EXPECT_FALSE(is_local_name("printer.notlocal"));
    EXPECT_TRUE(uses_local_domain({"a.example", "svc.cluster.local"}));
    EXPECT_FALSE(uses_local_domain({"a.example"}));
}

}  // namespace
}  // namespace co_wq::net::dns::detail
