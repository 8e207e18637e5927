// URLs, proxies, paths, patterns and how failures are counted.
#include "probe/way.hpp"

#include <gtest/gtest.h>

#include "probe/exchange.hpp"
#include "probe/origin.hpp"
#include "probe/pattern.hpp"

namespace co_wq::probe {
namespace {

TEST(Way, Urls) {
    const auto plain = parse_url("http://Example.com/a?b#c");
    ASSERT_TRUE(plain);
    EXPECT_EQ(plain->text(), "http://example.com/a?b");
    EXPECT_EQ(plain->where.port, 80);
    const auto secure = parse_url("https://[::1]:8443");
    ASSERT_TRUE(secure);
    EXPECT_TRUE(secure->secure);
    EXPECT_EQ(secure->host_field(), "[::1]:8443");
    EXPECT_EQ(secure->path, "/");
    EXPECT_EQ(parse_url("https://a?q")->path, "/?q");
    for (const char* wrong : {"", "ftp://a/", "http://", "http://a:0/", "http://a:99999/", "http://a b/", "http://u@a/",
                              "http://a/b c", "http://a/\r\nX: y", "http:///x"})
        EXPECT_FALSE(parse_url(wrong)) << wrong;
}

TEST(Way, Proxies) {
    const auto named = parse_proxy("socks5h://me:p@ss@proxy.test");
    ASSERT_TRUE(named);
    EXPECT_EQ(named->user, "me");
    EXPECT_EQ(named->password, "p@ss");
    EXPECT_EQ(named->where.port, 1080);
    EXPECT_EQ(named->text(), "socks5h://me@proxy.test:1080");
    EXPECT_EQ(parse_proxy("http://127.0.0.1:3128/")->kind, proxy_kind::http);
    for (const char* wrong : {"", "127.0.0.1:80", "https://a:1", "http://:80", "socks5://@a", "socks5://:b@a"})
        EXPECT_FALSE(parse_proxy(wrong)) << wrong;
    EXPECT_FALSE(parse_proxy("http://" + std::string(256, 'u') + "@a"));
}

TEST(Way, HowAProxyIsUsed) {
    way made;
    made.target = *parse_url("http://a/");
    EXPECT_EQ(made.name(), "direct");
    EXPECT_FALSE(made.tunnelled());
    made.through = *parse_proxy("http://p:1");
    EXPECT_TRUE(made.forwarded());
    made.connect = true;
    EXPECT_TRUE(made.tunnelled());
    made.connect = false;
    made.target.secure = true;
    EXPECT_TRUE(made.tunnelled());
    made.target.secure = false;
    made.through = *parse_proxy("socks5://p:1");
    EXPECT_TRUE(made.tunnelled());
    EXPECT_EQ(made.first_hop().host, "p");
}

TEST(Way, Base64) {
    EXPECT_EQ(base64(""), "");
    EXPECT_EQ(base64("f"), "Zg==");
    EXPECT_EQ(base64("fo"), "Zm8=");
    EXPECT_EQ(base64("foo"), "Zm9v");
    EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
    EXPECT_EQ(base64("\xff\xfe\xfd"), "//79");
}

TEST(Paths, StandForTheirBodies) {
    EXPECT_EQ(bytes_of_path("/bytes/17", 0), 17u);
    EXPECT_EQ(bytes_of_path("/chunked/0?x", 0), 0u);
    EXPECT_EQ(bytes_of_path("/delay/50", 0), delayed_bytes);
    EXPECT_EQ(bytes_of_path("/echo", 99), 99u);
    for (const char* other : {"/", "/bytes/", "/bytes/x", "/bytes/-1", "/bytes/1x", "/delay/3600001", "/bytes",
                              "/bytes/99999999999999999999"})
        EXPECT_FALSE(bytes_of_path(other, 0)) << other;
    EXPECT_EQ(parse_origin_path("/delay/50")->delay_ms, 50u);
    EXPECT_TRUE(parse_origin_path("/chunked/5")->chunked);
}

TEST(Pattern, AnyPieceIsRecognisedAndNoOther) {
    std::vector<std::byte> all;
    while (all.size() < 400'000) {
        const const_bytes piece = pattern(all.size(), 400'000 - all.size());
        all.insert(all.end(), piece.begin(), piece.end());
    }
    for (const std::size_t at : {0u, 1u, 65'520u, 65'521u, 65'536u, 131'071u, 300'000u}) {
        const auto piece = const_bytes(all).subspan(at, 90'000);
        EXPECT_TRUE(is_pattern(at, piece));
        for (const std::size_t moved : {1u, 4'096u, 16'384u, 65'536u}) EXPECT_FALSE(is_pattern(at + moved, piece));
    }
    all[399'999] ^= std::byte{1};
    EXPECT_FALSE(is_pattern(0, all));
    EXPECT_TRUE(is_pattern(0, const_bytes(all).first(399'999)));
    EXPECT_TRUE(is_pattern(5, {}));
}

TEST(Outcome, FailuresAreCountedByKind) {
    EXPECT_EQ(ending_of(error(errc::connection_refused), stage::connect), ending::refused);
    EXPECT_EQ(ending_of(error(errc::too_many_files), stage::connect), ending::descriptors);
    EXPECT_EQ(ending_of(error(errc::certificate_wrong_host), stage::tls), ending::tls);
    EXPECT_EQ(ending_of(error(errc::bad_message), stage::tls), ending::tls);
    EXPECT_EQ(ending_of(error(errc::truncated), stage::exchange), ending::cut_off);
    EXPECT_EQ(ending_of(error(errc::name_not_found), stage::connect), ending::name);
    failures one, two;
    one.add(ending::reset, "a");
    one.add(ending::reset, "b");
    two.add(ending::stopped, "");
    two.add(ending::name, "c");
    one.merge(two);
    EXPECT_EQ(one.total(), 3u);
    EXPECT_EQ(one.of(ending::reset), 2u);
    EXPECT_EQ(one.example(ending::reset), "a");
    EXPECT_EQ(one.example(ending::name), "c");
}

}  // namespace
}  // namespace co_wq::probe
