#include "http/target.hpp"

#include <gtest/gtest.h>

namespace co_wq::http {
namespace {

std::string refusal_of(method which, std::string_view text) {
    request_target target;
    const auto ok = parse_target(which, text, target);
    if (ok) return "accepted";
    EXPECT_EQ(ok.error().status, 400);
    return std::string(ok.error().reason);
}

std::string refusal_of_authority(std::string_view text) {
    authority where;
    const auto ok = parse_authority(text, http_port, where);
    return ok ? "accepted as " + where.host : std::string(ok.error().reason);
}

std::string origin_form(method which, std::string_view text) {
    request_target target;
    EXPECT_TRUE(parse_target(which, text, target)) << text;
    byte_buffer out;
    append_origin_form(out, which, text, target);
    return std::string(out.text());
}

TEST(target, an_absolute_url_names_host_port_and_path) {
    request_target target;
    ASSERT_TRUE(parse_target(method::get, "http://example.com:8080/a/b?c=d", target));
    EXPECT_EQ(target.form, target_form::absolute);
    EXPECT_EQ(target.where, (authority{"example.com", 8080, host_kind::name}));
    EXPECT_EQ(std::string_view("http://example.com:8080/a/b?c=d").substr(target.path_at), "/a/b?c=d");
}

TEST(target, the_port_of_a_url_is_80_when_it_names_none) {
    request_target target;
    ASSERT_TRUE(parse_target(method::get, "http://example.com/", target));
    EXPECT_EQ(target.where.port, 80);
}

TEST(target, scheme_and_host_are_case_insensitive_and_the_path_is_not) {
    request_target target;
    ASSERT_TRUE(parse_target(method::get, "HtTp://EXAMPLE.Com/Path", target));
    EXPECT_EQ(target.where.host, "example.com");
    EXPECT_EQ(origin_form(method::get, "HtTp://EXAMPLE.Com/Path"), "/Path");
}

TEST(target, an_empty_path_becomes_a_slash_and_for_options_an_asterisk) {
    EXPECT_EQ(origin_form(method::get, "http://example.com"), "/");
    EXPECT_EQ(origin_form(method::get, "http://example.com?a=/b"), "/?a=/b");
    EXPECT_EQ(origin_form(method::options, "http://example.com"), "*");
    EXPECT_EQ(origin_form(method::options, "http://example.com?a"), "/?a");
    EXPECT_EQ(origin_form(method::options, "*"), "*");
}

TEST(target, the_path_is_left_exactly_as_it_was_sent) {
    for (const std::string_view path : {"/", "//", "/a/../b", "/%41%2f%", "/a;b=c?d=e&f[0]=|^`{}\"<>\\", "/?"})
        EXPECT_EQ(origin_form(method::get, path), path);
}

TEST(target, connect_takes_host_and_port) {
    request_target target;
    ASSERT_TRUE(parse_target(method::connect, "Example.com:443", target));
    EXPECT_EQ(target.form, target_form::authority);
    EXPECT_EQ(target.where, (authority{"example.com", 443, host_kind::name}));
    ASSERT_TRUE(parse_target(method::connect, "[2001:DB8::1]:8443", target));
    EXPECT_EQ(target.where, (authority{"2001:db8::1", 8443, host_kind::ipv6}));
    ASSERT_TRUE(parse_target(method::connect, "127.0.0.1:65535", target));
    EXPECT_EQ(target.where, (authority{"127.0.0.1", 65535, host_kind::ipv4}));
}

TEST(target, forms_that_do_not_fit_the_method_are_refused) {
    EXPECT_EQ(refusal_of(method::connect, "example.com"), "port is missing");
    EXPECT_EQ(refusal_of(method::connect, "http://example.com:80/"), "port is not a number");
    EXPECT_EQ(refusal_of(method::connect, "/"), "host has a character that no host name has");
    EXPECT_EQ(refusal_of(method::connect, "*"), "host has a character that no host name has");
    EXPECT_EQ(refusal_of(method::get, "*"), "only OPTIONS may ask for '*'");
    EXPECT_EQ(refusal_of(method::get, "example.com:80"), "request target is neither a path nor an http:// URL");
    EXPECT_EQ(refusal_of(method::get, "**"), "request target is neither a path nor an http:// URL");
    EXPECT_EQ(refusal_of(method::get, ""), "request target is empty");
}

TEST(target, schemes_other_than_http_are_refused) {
    constexpr std::string_view reason = "only http:// URLs are forwarded; for others use CONNECT";
    for (const std::string_view url :
         {"https://example.com/", "ftp://example.com/", "ws://example.com/", "://example.com"})
        EXPECT_EQ(refusal_of(method::get, url), reason) << url;
    EXPECT_EQ(refusal_of(method::get, "http:/example.com"), "request target is neither a path nor an http:// URL");
}

TEST(target, spaces_controls_non_ascii_and_fragments_are_refused) {
    using namespace std::string_view_literals;
    for (const std::string_view bad : {"/a b"sv, "/a\tb"sv, "/a\0b"sv, "/a\x7f"sv, "/\xc3\xa4"sv, "http://a\rb/"sv})
        EXPECT_EQ(refusal_of(method::get, bad), "request target has a space, control or non-ASCII character");
    EXPECT_EQ(refusal_of(method::get, "/a#b"), "request target has a fragment");
}

TEST(target, authorities_that_could_be_read_in_two_ways_are_refused) {
    const std::pair<std::string_view, std::string_view> cases[] = {
        {"", "host is empty"},
        {":80", "host is empty"},
        {"user@example.com", "user names in a host are not accepted"},
        {"user:secret@example.com:80", "user names in a host are not accepted"},
        {"example.com:", "port is empty"},
        {"example.com:0", "port is zero or starts with a zero"},
        {"example.com:080", "port is zero or starts with a zero"},
        {"example.com:65536", "port is above 65535"},
        {"example.com:65616", "port is above 65535"},        // 80 after truncation to 16 bits
        {"example.com:4294967376", "port is above 65535"},   // 80 after truncation to 32 bits
        {"example.com:8o", "port is not a number"},
        {"example.com:+80", "port is not a number"},
        {"example.com:-1", "port is not a number"},
        {"example.com:80:80", "port is not a number"},
        {"a..b", "host name has an empty label"},
        {".a", "host name has an empty label"},
        {"a b", "host has a character that no host name has"},
        {"a/b", "host has a character that no host name has"},
        {"a%41", "host has a character that no host name has"},
        {"a,b", "host has a character that no host name has"},
        {"a\\b", "host has a character that no host name has"},
        {"127.1", "host looks like a number but is no IPv4 address of four parts"},
        {"127.0.0.01", "host looks like a number but is no IPv4 address of four parts"},
        {"127.0.0.256", "host looks like a number but is no IPv4 address of four parts"},
        {"127.0.0.1.", "host looks like a number but is no IPv4 address of four parts"},
        {"1.2.3.4.5", "host looks like a number but is no IPv4 address of four parts"},
        {"2130706433", "host looks like a number but is no IPv4 address of four parts"},
        {"0x7f000001", "host looks like a number but is no IPv4 address of four parts"},
        {"0X7F.1", "host looks like a number but is no IPv4 address of four parts"},
        {"a.0x", "host looks like a number but is no IPv4 address of four parts"},
        {"[::1", "'[' without ']' in the host"},
        {"[]", "not an IPv6 address between '[' and ']'"},
        {"[::1]80", "only a port may follow an IPv6 address"},
        {"[::1]:", "port is empty"},
        {"[fe80::1%eth0]", "IPv6 zones are not accepted"},
        {"[fe80::1%25eth0]", "IPv6 zones are not accepted"},
        {"[v1.x]", "not an IPv6 address between '[' and ']'"},
        {"::1", "host is empty"},
    };
    for (const auto& [text, reason] : cases) EXPECT_EQ(refusal_of_authority(text), reason) << text;
    EXPECT_EQ(refusal_of_authority(std::string(64, 'a')), "host name has a label longer than 63 characters");
    std::string long_name;
    for (int i = 0; i < 127; ++i) long_name += "a.";
    EXPECT_EQ(refusal_of_authority(long_name + "aa"), "host name is longer than 253 characters");
}

TEST(target, names_addresses_and_ports_at_their_limits_are_accepted) {
    for (const std::string_view good : {"a", "a.", "xn--bcher-kva.example", "_srv.example", "1.example", "0x7f.example",
                                        "123abc", "a-b.c", "0.0.0.0", "255.255.255.255"})
        EXPECT_EQ(refusal_of_authority(good), "accepted as " + std::string(good));
    std::string long_name;
    for (int i = 0; i < 126; ++i) long_name += "a.";
    EXPECT_EQ(refusal_of_authority(long_name + "a"), "accepted as " + long_name + "a");
    EXPECT_EQ(refusal_of_authority(std::string(63, 'a')), "accepted as " + std::string(63, 'a'));
    authority where;
    ASSERT_TRUE(parse_authority("a:1", http_port, where));
    EXPECT_EQ(where.port, 1);
    ASSERT_TRUE(parse_authority("a:65535", http_port, where));
    EXPECT_EQ(where.port, 65535);
}

TEST(target, ipv6_addresses_are_checked_in_full) {
    for (const std::string_view good :
         {"::", "::1", "1::", "1:2:3:4:5:6:7:8", "1::8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "::ffff:1.2.3.4",
          "64:ff9b::192.0.2.1", "1:2:3:4:5:6:1.2.3.4", "fe80::a:b", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"})
        EXPECT_EQ(refusal_of_authority("[" + std::string(good) + "]"), "accepted as " + std::string(good));
    for (const std::string_view bad : {":",
                                       ":1",
                                       "1:",
                                       ":::",
                                       "1:::2",
                                       "1::2::3",
                                       "1:2:3:4:5:6:7",
                                       "1:2:3:4:5:6:7:8:9",
                                       "1:2:3:4:5:6:7:8::",
                                       "::1:2:3:4:5:6:7:8",
                                       "12345::",
                                       "g::",
                                       "::1.2.3",
                                       "::1.2.3.4.5",
                                       "::1.2.3.256",
                                       "1.2.3.4",
                                       "::1.2.3.4:1",
                                       "1:2:3:4:5:6:7:1.2.3.4",
                                       "::01.2.3.4",
                                       "1 ::"})
        EXPECT_EQ(refusal_of_authority("[" + std::string(bad) + "]"), "not an IPv6 address between '[' and ']'") << bad;
}

TEST(target, an_authority_is_written_with_brackets_and_without_its_default_port) {
    const auto written = [](const authority& where, std::optional<std::uint16_t> port) {
        byte_buffer out;
        append_authority(out, where, port);
        return std::string(out.text());
    };
    EXPECT_EQ(written({"::1", 80, host_kind::ipv6}, 80), "[::1]");
    EXPECT_EQ(written({"::1", 81, host_kind::ipv6}, 80), "[::1]:81");
    EXPECT_EQ(written({"a", 80, host_kind::name}, std::nullopt), "a:80");
    EXPECT_EQ(written({"a", 443, host_kind::name}, 80), "a:443");
}

}  // namespace
}  // namespace co_wq::http
