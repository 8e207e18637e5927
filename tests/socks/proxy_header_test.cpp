#include "proxy/socks/proxy_header.hpp"

#include "socks/feeding.hpp"

namespace co_wq::proxy::socks {
namespace {

const std::string signature = bytes_of("\r\n\r\n\0\r\nQUIT\n");

std::string v2(char version_and_command, char kind, const std::string& rest) {
    return signature + version_and_command + kind + static_cast<char>(rest.size() >> 8) +
           static_cast<char>(rest.size()) + rest;
}

const std::string ipv4_addresses = bytes_of("\1\2\3\4\5\6\7\x08\x11\x22\x33\x44");
const std::string ipv6_addresses = std::string(15, '\0') + '\1' + std::string(15, '\0') + '\2' + bytes_of("\0\1\0\2");

void expect_header(std::string_view message, std::string_view source, std::string_view destination) {
    proxy_header got;
    const auto parse = [&](const_bytes have) {
        got = {};
        return parse_proxy_header(have, got);
    };
    expect_whole(message, parse, [&] {
        EXPECT_EQ(got.source.family() == io::address_family::none ? "none" : got.source.text(), source);
        EXPECT_EQ(got.destination.family() == io::address_family::none ? "none" : got.destination.text(), destination);
    });
}

void expect_no_header(std::string_view message, std::size_t from) {
    proxy_header got;
    expect_wrong(message, from, [&](const_bytes have) { return parse_proxy_header(have, got); });
    EXPECT_FALSE(got.why.empty());
}
void expect_no_header(std::string_view message) { expect_no_header(message, message.size()); }

TEST(ProxyHeaderV1, NamesBothEnds) {
    expect_header("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n", "192.0.2.1:56324", "198.51.100.2:443");
    expect_header("PROXY TCP6 2001:db8::1 ::1 0 65535\r\n", "[2001:db8::1]:0", "[::1]:65535");
    const std::string full = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    const std::string longest = "PROXY TCP6 " + full + ' ' + full + " 65535 65535\r\n";
    expect_header(longest, '[' + full + "]:65535", '[' + full + "]:65535");
}

TEST(ProxyHeaderV1, UnknownNamesNobodyWhateverElseItSays) {
    expect_header("PROXY UNKNOWN\r\n", "none", "none");
    expect_header("PROXY UNKNOWN 1.2.3.4 1.2.3.4 1 2\r\n", "none", "none");
    const std::string full = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    const std::string longest = "PROXY UNKNOWN " + full + ' ' + full + " 65535 65535\r\n";
    ASSERT_EQ(longest.size(), proxy_header_v1_max);
    expect_header(longest, "none", "none");
}

TEST(ProxyHeaderV1, WhatIsNotExactlyThatIsWrong) {
    for (const char* line : {"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
                             "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
                             "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n",
                             "PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n",
                             "PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n",
                             "PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n",
                             "PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n",
                             "PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n",
                             "PROXY TCP4 1.2.3.4 5.6.7.8  2\r\n",
                             "PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n",
                             "PROXY TCP4 1.2.3.04 5.6.7.8 1 2\r\n",
                             "PROXY TCP4 ::1 ::1 1 2\r\n",
                             "PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
                             "PROXY TCP6 ::1 ::1%lo 1 2\r\n",
                             "PROXY TCP4 a.test b.test 1 2\r\n",
                             "PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
                             "PROXY tcp4 1.2.3.4 5.6.7.8 1 2\r\n",
                             "PROXY UNKNOWNX\r\n",
                             "PROXY TCP4\r\n",
                             "PROXY \r\n",
                             "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\rx"})
        expect_no_header(line);
    expect_no_header("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n");
    expect_no_header("PROXY TCP4 1.2.3.4\n5.6.7.8 1 2\r\n", 19);
    expect_no_header(std::string("PROXY TCP4 1.2.3.4 5.6.7.8 1 2") + '\0' + "\r\n");
    expect_no_header("GET / HTTP/1.1\r\n\r\n", 1);
    expect_no_header("PROXx TCP4 ", 5);
    expect_no_header("\5\1", 1);
}

TEST(ProxyHeaderV1, ALineWithoutEndIsBounded) {
    expect_no_header("PROXY UNKNOWN " + std::string(200, 'x'), proxy_header_v1_max);
    // its CR would be byte 107, and its LF one too many
    expect_no_header("PROXY UNKNOWN " + std::string(92, 'x') + "\r\n", proxy_header_v1_max);
}

TEST(ProxyHeaderV2, NamesBothEnds) {
    expect_header(v2('\x21', '\x11', ipv4_addresses), "1.2.3.4:4386", "5.6.7.8:13124");
    expect_header(v2('\x21', '\x21', ipv6_addresses), "[::1]:1", "[::2]:2");
    expect_header(v2('\x21', '\x31', std::string(216, 'u')), "none", "none");
}

TEST(ProxyHeaderV2, LocalAndUnspecifiedNameNobody) {
    expect_header(v2('\x20', '\0', ""), "none", "none");
    expect_header(v2('\x20', '\x11', ipv4_addresses), "none", "none");
    expect_header(v2('\x20', '\x7f', "whatever it is"), "none", "none");
    expect_header(v2('\x21', '\0', ""), "none", "none");
    expect_header(v2('\x21', '\0', "to be ignored"), "none", "none");
}

TEST(ProxyHeaderV2, TlvsAreSteppedOver) {
    const std::string tlvs = bytes_of("\1\0\2h2\4\0\0\x20\0\5\7\0\0\0\0\x05\0\3abc");
    expect_header(v2('\x21', '\x11', ipv4_addresses + tlvs), "1.2.3.4:4386", "5.6.7.8:13124");
    expect_header(v2('\x21', '\x21', ipv6_addresses + bytes_of("\xee\x01\0") + std::string(256, 'x')), "[::1]:1",
                  "[::2]:2");
    for (std::size_t cut = 1; cut < 3; ++cut)
        expect_no_header(v2('\x21', '\x11', ipv4_addresses + bytes_of("\4\0\0").substr(0, cut)));
    expect_no_header(v2('\x21', '\x11', ipv4_addresses + bytes_of("\1\0\3h2")));
    expect_no_header(v2('\x21', '\x11', ipv4_addresses + bytes_of("\1\xff\xff")));
}

TEST(ProxyHeaderV2, ACrc32cMustBeRight) {
    EXPECT_EQ(crc32c(as_bytes("123456789")), 0xe3069283u);
    const std::string good = write_proxy_header(proxy_header_version::v2, *io::socket_address::parse("1.2.3.4", 1),
                                                *io::socket_address::parse("5.6.7.8", 2));
    expect_header(good, "1.2.3.4:1", "5.6.7.8:2");
    for (std::size_t at = 16; at < good.size(); ++at) {
        std::string bad = good;
        bad[at] = static_cast<char>(bad[at] ^ 0x10);
        proxy_header got;
        const step now = parse_proxy_header(as_bytes(bad), got);
        // a TLV that is no CRC32c any more is not checked
        if (at != 28) EXPECT_EQ(now.what, progress::wrong) << at;
    }
    expect_no_header(v2('\x21', '\x11', ipv4_addresses + bytes_of("\3\0\3abc")));
    const std::string twice = good.substr(0, 15) + static_cast<char>(good[15] + 7) + good.substr(16) + good.substr(28);
    expect_no_header(twice);
}

TEST(ProxyHeaderV2, WhatIsNotAssignedIsRefusedAtOnce) {
    for (const char command : {'\x22', '\x2f', '\x11', '\x01', '\x31'})
        expect_no_header(v2(command, '\x11', ipv4_addresses), 16);
    for (const char kind : {'\x01', '\x10', '\x12', '\x13', '\x20', '\x22', '\x32', '\x41', '\x7f'})
        expect_no_header(v2('\x21', kind, std::string(216, 'x')), 16);
}

TEST(ProxyHeaderV2, LengthsMustHoldTheAddresses) {
    expect_no_header(v2('\x21', '\x11', ipv4_addresses.substr(1)), 16);
    expect_no_header(v2('\x21', '\x21', ipv6_addresses.substr(1)), 16);
    expect_no_header(v2('\x21', '\x31', std::string(215, 'u')), 16);
    expect_no_header(signature + bytes_of("\x20") + '\0' + bytes_of("\x10\x01"), 16);
    expect_header(v2('\x20', '\0', std::string(4096, 'x')), "none", "none");
}

TEST(ProxyHeaderV2, TheSignatureCountsToItsLastByte) {
    for (std::size_t at = 1; at < signature.size(); ++at) {
        std::string bad = v2('\x21', '\x11', ipv4_addresses);
        bad[at] = 'x';
        expect_no_header(bad, at + 1);
    }
}

TEST(ProxyHeader, WhatIsWrittenIsReadAgain) {
    const auto four = *io::socket_address::parse("192.0.2.1", 1024), six = *io::socket_address::parse("2001:db8::1", 7);
    for (const proxy_header_version version : {proxy_header_version::v1, proxy_header_version::v2}) {
        expect_header(write_proxy_header(version, four, four), "192.0.2.1:1024", "192.0.2.1:1024");
        expect_header(write_proxy_header(version, six, six), "[2001:db8::1]:7", "[2001:db8::1]:7");
        expect_header(write_proxy_header(version, four, six), "[::ffff:192.0.2.1]:1024", "[2001:db8::1]:7");
        expect_header(write_proxy_header(version, {}, four), "none", "none");
        expect_header(write_proxy_header(version, *io::socket_address::local("/a"), four), "none", "none");
    }
    EXPECT_EQ(write_proxy_header(proxy_header_version::v1, four, four), "PROXY TCP4 192.0.2.1 192.0.2.1 1024 1024\r\n");
    EXPECT_EQ(write_proxy_header(proxy_header_version::v1, {}, {}), "PROXY UNKNOWN\r\n");
}

}  // namespace
}  // namespace co_wq::proxy::socks
