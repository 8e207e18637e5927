// Every message of a SOCKS 5 parent, whole, cut anywhere, and wrong.
#include "proxy/upstream/socks_client.hpp"

#include <gtest/gtest.h>

namespace co_wq::proxy::upstream {
namespace {

using socks::progress;

std::string bytes_of(std::initializer_list<int> all) {
    std::string made;
    for (const int each : all) made += static_cast<char>(each);
    return made;
}

// Feeds it byte by byte; the last step.
template <class Parse>
socks::step feed(std::string_view all, Parse parse) {
    std::string have;
    socks::step now = parse(const_bytes{});
    for (std::size_t at = 0; at < all.size() && now.what == progress::need_more; ++at) {
        const_bytes more = as_bytes(all.substr(at, 1));
        now = socks::gather(have, more, parse);
        EXPECT_LE(have.size(), at + 1);
    }
    return now;
}

TEST(socks_client, what_is_written_is_as_the_standard_has_it) {
    EXPECT_EQ(write_greeting(false), bytes_of({5, 1, 0}));
    EXPECT_EQ(write_greeting(true), bytes_of({5, 2, 0, 2}));
    EXPECT_EQ(write_login("user", "pw"), bytes_of({1, 4}) + "user" + bytes_of({2}) + "pw");
    http::authority where;
    where.host = "name.example";
    where.port = 0x1234;
    EXPECT_EQ(write_connect(where), bytes_of({5, 1, 0, 3, 12}) + "name.example" + bytes_of({0x12, 0x34}));
    where.host = "192.0.2.1";
    EXPECT_EQ(write_connect(where), bytes_of({5, 1, 0, 1, 192, 0, 2, 1, 0x12, 0x34}));
    where.host = "2001:db8::1";
    EXPECT_EQ(write_connect(where),
              bytes_of({5, 1, 0, 4, 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x12, 0x34}));
}

TEST(socks_client, what_is_read_is_read_to_its_last_byte_and_no_further) {
    chosen_method method;
    EXPECT_EQ(feed(bytes_of({5, 2}), [&](const_bytes b) { return parse_method(b, method); }).size, 2u);
    EXPECT_EQ(method.method, 2);
    login_status status;
    EXPECT_EQ(feed(bytes_of({1, 0}), [&](const_bytes b) { return parse_login_status(b, status); }).size, 2u);
    EXPECT_TRUE(status.accepted);
    EXPECT_EQ(feed(bytes_of({1, 9}), [&](const_bytes b) { return parse_login_status(b, status); }).what,
              progress::done);
    EXPECT_FALSE(status.accepted);
    const auto reply = [](const std::string& text, std::size_t size, int code) {
        connect_reply read;
        const socks::step last = feed(text, [&](const_bytes b) { return parse_connect_reply(b, read); });
        EXPECT_EQ(last.what, progress::done);
        EXPECT_EQ(last.size, size);
        EXPECT_EQ(read.code, code);
    };
    reply(bytes_of({5, 0, 0, 1, 1, 2, 3, 4, 5, 6}), 10, 0);
    reply(bytes_of({5, 5, 0, 4}) + std::string(18, 'x'), 22, 5);
    reply(bytes_of({5, 2, 0, 3, 255}) + std::string(257, 'x'), 262, 2);
    reply(bytes_of({5, 2, 0, 3, 0, 1, 1}), 7, 2);
}

TEST(socks_client, what_is_no_socks_5_is_wrong) {
    chosen_method method;
    for (const std::string& text : {bytes_of({4, 0}), bytes_of({0}), std::string("HTTP/1.1 400")})
        EXPECT_EQ(feed(text, [&](const_bytes b) { return parse_method(b, method); }).what, progress::wrong);
    login_status status;
    EXPECT_EQ(feed(bytes_of({7, 0}), [&](const_bytes b) { return parse_login_status(b, status); }).what,
              progress::wrong);
    connect_reply read;
    for (const std::string& text : {bytes_of({4, 90, 0, 0, 0, 0, 0, 0}), bytes_of({5, 0, 0, 2, 0, 0, 0, 0, 0, 0}),
                                    bytes_of({5, 0, 0, 0, 0, 0, 0})})
        EXPECT_EQ(feed(text, [&](const_bytes b) { return parse_connect_reply(b, read); }).what, progress::wrong);
}

}  // namespace
}  // namespace co_wq::proxy::upstream
