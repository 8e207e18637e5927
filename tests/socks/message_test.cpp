#include "proxy/socks/message.hpp"

#include "socks/feeding.hpp"

namespace co_wq::proxy::socks {
namespace {

constexpr auto four = [](request& into) { return [&into](const_bytes have) { return parse_request4(have, into); }; };
constexpr auto five = [](request& into) { return [&into](const_bytes have) { return parse_request5(have, into); }; };

void expect_request(std::string_view message, std::uint8_t version, command what, const http::authority& where) {
    request got;
    const auto parse = [&](const_bytes have) {
        return version == 4 ? parse_request4(have, got) : parse_request5(have, got);
    };
    expect_whole(message, parse, [&] {
        EXPECT_EQ(got.version, version);
        EXPECT_EQ(got.what, what);
        EXPECT_EQ(got.where, where);
    });
}

TEST(SocksGreeting, OffersAreReadWhateverElseIsOffered) {
    greeting got;
    const auto parse = [&](const_bytes have) { return parse_greeting(have, got); };
    expect_whole(bytes_of("\5\1\0"), parse, [&] { EXPECT_TRUE(got.no_authentication && !got.user_password); });
    expect_whole(bytes_of("\5\1\2"), parse, [&] { EXPECT_TRUE(!got.no_authentication && got.user_password); });
    expect_whole(bytes_of("\5\4\x80\2\1\0"), parse, [&] { EXPECT_TRUE(got.no_authentication && got.user_password); });
    expect_whole(bytes_of("\5\0"), parse, [&] { EXPECT_FALSE(got.no_authentication || got.user_password); });
    expect_whole("\5\xff" + std::string(255, '\7'), parse, [&] { EXPECT_FALSE(got.no_authentication); });
    expect_wrong(bytes_of("\6\1\0"), 1, parse);
}

TEST(SocksGreeting, AnAnswerIsTwoBytes) {
    EXPECT_EQ(write_method(method_none), bytes_of("\5\0"));
    EXPECT_EQ(write_method(method_user_password), bytes_of("\5\2"));
    EXPECT_EQ(write_method(method_unacceptable), bytes_of("\5\xff"));
}

TEST(SocksLogin, UserAndPasswordMayHoldAnyBytes) {
    login got;
    const auto parse = [&](const_bytes have) { return parse_login(have, got); };
    const auto expect = [&](const std::string& user, const std::string& password) {
        const std::string message = '\1' + std::string(1, static_cast<char>(user.size())) + user +
                                    std::string(1, static_cast<char>(password.size())) + password;
        expect_whole(message, parse, [&] {
            EXPECT_EQ(got.user, user);
            EXPECT_EQ(got.password, password);
        });
    };
    expect("user", "secret");
    expect(bytes_of("a\0b"), bytes_of("\0"));
    expect(std::string(255, 'u'), std::string(255, 'p'));
    expect("u", "");
    expect("", "p");
    expect_wrong(bytes_of("\5\1a\1b"), 1, parse);
}

TEST(SocksLogin, ZeroIsSuccess) {
    EXPECT_EQ(write_login_status(true), bytes_of("\1\0"));
    EXPECT_EQ(write_login_status(false), bytes_of("\1\1"));
}

TEST(Socks5Request, EveryTypeOfAddressAndCommand) {
    using http::host_kind;
    expect_request(bytes_of("\5\1\0\1\x7f\0\0\1\x1f\x90"), 5, command::connect, {"127.0.0.1", 8080, host_kind::ipv4});
    expect_request(bytes_of("\5\1\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\x50"), 5, command::connect,
                   {"::1", 80, host_kind::ipv6});
    expect_request(bytes_of("\5\1\0\3\13Example.COM\xff\xff"), 5, command::connect,
                   {"example.com", 65535, host_kind::name});
    expect_request(bytes_of("\5\3\0\1\0\0\0\0\0\0"), 5, command::udp_associate, {"0.0.0.0", 0, host_kind::ipv4});
    expect_request(bytes_of("\5\2\0\3\1a\0\1"), 5, command::bind, {"a", 1, host_kind::name});
    const std::string longest =
        std::string(63, 'a') + '.' + std::string(63, 'b') + '.' + std::string(63, 'c') + '.' + std::string(61, 'd');
    expect_request("\5\1" + bytes_of("\0\3\xfd") + longest + bytes_of("\0\1"), 5, command::connect,
                   {longest, 1, host_kind::name});
}

TEST(Socks5Request, ANumericNameIsTheAddress) {
    using http::host_kind;
    expect_request(bytes_of("\5\1\0\3\x9") + "127.0.0.1" + bytes_of("\0\1"), 5, command::connect,
                   {"127.0.0.1", 1, host_kind::ipv4});
    expect_request(bytes_of("\5\1\0\3\7") + "2001::F" + bytes_of("\0\1"), 5, command::connect,
                   {"2001::f", 1, host_kind::ipv6});
}

void expect_refused(std::string_view message, std::size_t from, reply code) {
    request got;
    expect_wrong(message, from, five(got));
    EXPECT_EQ(got.refusal, code);
    EXPECT_FALSE(got.why.empty());
}

TEST(Socks5Request, RubbishIsRefusedAtItsFirstByte) {
    expect_refused(bytes_of("\4\1\0\1\0\0\0\0\0\1"), 1, reply::general_failure);
    expect_refused(bytes_of("\5\1\1\1\1\2\3\4\0\1"), 3, reply::general_failure);
    expect_refused(bytes_of("\5\1\0\2\1\2\3\4\0\1"), 4, reply::address_type_not_supported);
    expect_refused(bytes_of("\5\1\0\0"), 4, reply::address_type_not_supported);
    expect_refused(bytes_of("\5\1\0\3\0\0\1"), 5, reply::general_failure);
    expect_refused(bytes_of("\5\0\0\1\1\2\3\4\0\1"), 10, reply::command_not_supported);
    expect_refused(bytes_of("\5\4\0\1\1\2\3\4\0\1"), 10, reply::command_not_supported);
    expect_refused(bytes_of("\5\1\0\1\1\2\3\4\0\0"), 10, reply::general_failure);
}

TEST(Socks5Request, WhatIsNoHostNameIsRefused) {
    for (const std::string& name : {bytes_of("a\0b.test"), std::string("a b"), std::string("a/b"), std::string("127.1"),
                                    std::string("0x7f000001"), std::string("2130706433"), std::string("[::1]"),
                                    std::string("fe80::1%lo"), std::string("a..b"), std::string(64, 'a'),
                                    std::string("b\xc3\xbc"), std::string("a\r\nHost: b"), std::string(255, 'a')}) {
        const std::string message = bytes_of("\5\1\0\3") + static_cast<char>(name.size()) + name + bytes_of("\0\1");
        expect_refused(message, message.size(), reply::general_failure);
    }
}

TEST(Socks4Request, AddressesAndNames) {
    using http::host_kind;
    expect_request(bytes_of("\4\1\0\x50\1\2\3\4user\0"), 4, command::connect, {"1.2.3.4", 80, host_kind::ipv4});
    expect_request(bytes_of("\4\1\0\x50\1\2\3\4\0"), 4, command::connect, {"1.2.3.4", 80, host_kind::ipv4});
    expect_request(bytes_of("\4\2\0\0\0\0\0\0\0"), 4, command::bind, {"0.0.0.0", 0, host_kind::ipv4});
    expect_request(bytes_of("\4\1\0\x50\0\0\0\1me\0Example.com\0"), 4, command::connect,
                   {"example.com", 80, host_kind::name});
    expect_request(bytes_of("\4\1\0\x50\0\0\0\xff\0") + "10.0.0.1" + '\0', 4, command::connect,
                   {"10.0.0.1", 80, host_kind::ipv4});
    expect_request(bytes_of("\4\1\0\1\1\2\3\4") + std::string(255, 'u') + '\0', 4, command::connect,
                   {"1.2.3.4", 1, host_kind::ipv4});
}

TEST(Socks4Request, RubbishIsRefused) {
    request got;
    expect_wrong(bytes_of("\5\1\0\1\1\2\3\4\0"), 1, four(got));
    expect_wrong(bytes_of("\4\1\0\0\1\2\3\4\0"), 9, four(got));
    expect_wrong(bytes_of("\4\3\0\1\1\2\3\4\0"), 9, four(got));
    EXPECT_EQ(got.refusal, reply::command_not_supported);
    expect_wrong(bytes_of("\4\1\0\1\0\0\0\1u\0\0"), 11, four(got));
    expect_wrong(bytes_of("\4\1\0\1\0\0\0\1u\0a b\0"), 14, four(got));
    // without an end: bounded
    expect_wrong(bytes_of("\4\1\0\1\1\2\3\4") + std::string(256, 'u'), 8 + 256, four(got));
    expect_wrong(bytes_of("\4\1\0\1\0\0\0\1\0") + std::string(256, 'n'), 9 + 256, four(got));
}

TEST(SocksReply, InTheWordsOfItsVersion) {
    const auto ipv4 = io::socket_address::ipv4({1, 2, 3, 4}, 0x1234);
    EXPECT_EQ(write_reply(5, reply::granted, ipv4), bytes_of("\5\0\0\1\1\2\3\4\x12\x34"));
    EXPECT_EQ(write_reply(5, reply::granted, *io::socket_address::parse("::1", 80)),
              bytes_of("\5\0\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\x50"));
    EXPECT_EQ(write_reply(5, reply::ttl_expired), bytes_of("\5\6\0\1\0\0\0\0\0\0"));
    EXPECT_EQ(write_reply(4, reply::granted, ipv4), bytes_of("\0\x5a\0\0\0\0\0\0"));
    EXPECT_EQ(write_reply(4, reply::not_allowed), bytes_of("\0\x5b\0\0\0\0\0\0"));
}

TEST(SocksReply, ErrorsAsTheRfcNumbersThem) {
    EXPECT_EQ(reply_of(error(errc::permission_denied)), reply::not_allowed);
    EXPECT_EQ(reply_of(error(errc::network_unreachable)), reply::network_unreachable);
    EXPECT_EQ(reply_of(error(errc::host_unreachable)), reply::host_unreachable);
    EXPECT_EQ(reply_of(error(errc::name_not_found)), reply::host_unreachable);
    EXPECT_EQ(reply_of(error(errc::connection_refused)), reply::connection_refused);
    EXPECT_EQ(reply_of(error(errc::timed_out)), reply::ttl_expired);
    EXPECT_EQ(reply_of(error(errc::too_many_files)), reply::general_failure);
    for (unsigned code = 0; code <= 8; ++code) EXPECT_FALSE(name_of(static_cast<reply>(code)).empty());
}

TEST(SocksDatagram, AddressesNamesAndEmptyPayloads) {
    datagram_head head;
    ASSERT_TRUE(parse_datagram(as_bytes(bytes_of("\0\0\0\1\1\2\3\4\0\x35")), head));
    EXPECT_EQ(head.to.text(), "1.2.3.4:53");
    EXPECT_EQ(head.size, 10u);
    const std::string six = bytes_of("\0\0\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\x35payload");
    ASSERT_TRUE(parse_datagram(as_bytes(six), head));
    EXPECT_EQ(head.to.text(), "[::1]:53");
    EXPECT_EQ(as_text(as_bytes(six).subspan(head.size)), "payload");
    const std::string named = bytes_of("\0\0\0\3\6a.test\1\2x");
    ASSERT_TRUE(parse_datagram(as_bytes(named), head));
    EXPECT_EQ(head.to.family(), io::address_family::none);
    EXPECT_EQ(head.name, "a.test");
    EXPECT_EQ(head.to.port(), 0x102);
    EXPECT_EQ(head.size, named.size() - 1);
    const std::string numeric = bytes_of("\0\0\0\3\7") + "1.2.3.4" + bytes_of("\0\1");
    ASSERT_TRUE(parse_datagram(as_bytes(numeric), head));
    EXPECT_EQ(head.to.text(), "1.2.3.4:1");
}

TEST(SocksDatagram, WhatIsNotWholeOrAFragmentIsNot) {
    datagram_head head;
    for (const std::string& whole : {bytes_of("\0\0\0\1\1\2\3\4\0\x35"), bytes_of("\0\0\0\3\6a.test\1\2"),
                                     bytes_of("\0\0\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\x35")}) {
        for (std::size_t size = 0; size < whole.size(); ++size)
            EXPECT_FALSE(parse_datagram(as_bytes(whole).first(size), head)) << size;
        for (const std::size_t reserved : {0, 1, 2}) {
            std::string changed = whole;
            changed[reserved] = '\1';
            EXPECT_FALSE(parse_datagram(as_bytes(changed), head)) << reserved;
        }
        std::string nowhere = whole;
        nowhere.replace(nowhere.size() - 2, 2, 2, '\0');
        EXPECT_FALSE(parse_datagram(as_bytes(nowhere), head)) << "port 0";
    }
    EXPECT_FALSE(parse_datagram(as_bytes(bytes_of("\0\0\0\2\1\2\3\4\0\x35")), head));
    EXPECT_FALSE(parse_datagram(as_bytes(bytes_of("\0\0\0\3\0\0\x35")), head));
}

TEST(SocksDatagram, WhatIsWrittenIsReadAgain) {
    for (const char* host : {"192.0.2.7", "2001:db8::7"}) {
        const auto from = *io::socket_address::parse(host, 4711);
        std::array<std::byte, datagram_head_max> room;
        const std::size_t size = write_datagram_head(room, from);
        datagram_head head;
        ASSERT_TRUE(parse_datagram(const_bytes(room).last(size), head));
        EXPECT_EQ(head.to, from);
        EXPECT_EQ(head.size, size);
    }
}

}  // namespace
}  // namespace co_wq::proxy::socks
