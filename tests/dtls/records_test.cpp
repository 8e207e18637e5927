// What a server reads of clients it knows nothing of.
#include <gtest/gtest.h>

#include <vector>

#include "net/tls/detail/dtls_cookies.hpp"
#include "net/tls/detail/dtls_records.hpp"

namespace co_wq::net::tls::detail {
namespace {

using io::socket_address;

std::vector<std::byte> hello_with(std::size_t cookie_size, std::uint8_t session_size = 0) {
    std::vector<std::byte> body;
    const auto put = [](std::vector<std::byte>& to, std::uint64_t value, std::size_t count) {
        for (std::size_t i = count; i-- > 0;) to.push_back(static_cast<std::byte>(value >> (8 * i)));
    };
    put(body, 0xfefd, 2);
    for (int i = 0; i < 32; ++i) put(body, static_cast<std::uint64_t>(i), 1);
    put(body, session_size, 1);
    for (int i = 0; i < session_size; ++i) put(body, 7, 1);
    put(body, cookie_size, 1);
    for (std::size_t i = 0; i < cookie_size; ++i) put(body, 9, 1);
    put(body, 0x0002c02b0100, 6);
    std::vector<std::byte> made;
    put(made, 22, 1);
    put(made, 0xfeff, 2);
    put(made, 0, 2);
    put(made, 0x0102, 6);
    put(made, body.size() + 12, 2);
    put(made, 1, 1);
    put(made, body.size(), 3);
    put(made, 0, 2);
    put(made, 0, 3);
    put(made, body.size(), 3);
    made.insert(made.end(), body.begin(), body.end());
    return made;
}

TEST(dtls_records, a_hello_is_read_up_to_its_cookie) {
    const auto bytes = hello_with(5, 32);
    const auto hello = parse_client_hello(bytes);
    ASSERT_TRUE(hello);
    EXPECT_EQ(hello->sequence, 0x0102u);
    EXPECT_EQ(hello->random.size(), 32u);
    EXPECT_EQ(hello->session.size(), 32u);
    EXPECT_EQ(hello->cookie.size(), 5u);
}

TEST(dtls_records, a_hello_that_is_cut_anywhere_is_none) {
    const auto whole = hello_with(24, 32);
    for (std::size_t size = 0; size < whole.size(); ++size)
        EXPECT_FALSE(parse_client_hello(const_bytes(whole).first(size))) << size;
}

TEST(dtls_records, a_hello_with_any_byte_changed_is_read_within_its_bounds) {
    const auto whole = hello_with(24, 32);
    for (std::size_t at = 0; at < whole.size(); ++at) {
        for (const unsigned value : {0u, 1u, 0x7fu, 0xffu}) {
            auto changed = whole;
            changed[at] = static_cast<std::byte>(value);
            if (const auto hello = parse_client_hello(changed)) {
                EXPECT_LE(hello->session.size(), 32u);
            }
        }
    }
}

TEST(dtls_records, a_session_longer_than_any_is_no_hello) { EXPECT_FALSE(parse_client_hello(hello_with(0, 33))); }

TEST(dtls_records, the_answer_is_shorter_than_any_question) { EXPECT_LT(hello_verify_bytes, hello_with(0).size()); }

TEST(dtls_records, records_are_taken_one_by_one_until_one_is_none) {
    auto two = hello_with(0);
    const std::size_t size = two.size();
    const auto again = hello_with(0);
    two.insert(two.end(), again.begin(), again.end());
    two.push_back(std::byte{22});
    const_bytes rest(two);
    for (int i = 0; i < 2; ++i) {
        const auto one = take_record(rest);
        ASSERT_TRUE(one);
        EXPECT_EQ(one->whole.size(), size);
        EXPECT_EQ(one->type, 22);
    }
    EXPECT_FALSE(take_record(rest));
    EXPECT_EQ(rest.size(), 1u);
}

class cookies : public testing::Test {
protected:
    const std::vector<std::byte> first = hello_with(0);
    const socket_address who = socket_address::loopback(1000);
    cookie_secrets secrets;
    time_point now{std::chrono::hours(1)};

    client_hello answered(const cookie& with) const {
        client_hello hello = *parse_client_hello(first);
        hello.cookie = with;
        return hello;
    }
};

TEST_F(cookies, are_good_for_their_client_alone) {
    const cookie given = *secrets.make(who, *parse_client_hello(first), now);
    EXPECT_TRUE(secrets.good(who, answered(given), now));
    EXPECT_FALSE(secrets.good(socket_address::loopback(1001), answered(given), now));
    EXPECT_FALSE(secrets.good(socket_address::ipv4({10, 0, 0, 1}, 1000), answered(given), now));
}

TEST_F(cookies, are_good_for_their_hello_alone) {
    const cookie given = *secrets.make(who, *parse_client_hello(first), now);
    auto other = first;
    other[13 + 12 + 2] ^= std::byte{1};
    client_hello hello = *parse_client_hello(other);
    hello.cookie = given;
    EXPECT_FALSE(secrets.good(who, hello, now));
}

TEST_F(cookies, any_changed_bit_spoils_one) {
    const cookie given = *secrets.make(who, *parse_client_hello(first), now);
    for (std::size_t at = 0; at < cookie_bytes * 8; ++at) {
        cookie changed = given;
        changed[at / 8] ^= static_cast<std::byte>(1u << (at % 8));
        EXPECT_FALSE(secrets.good(who, answered(changed), now));
    }
}

TEST_F(cookies, live_as_long_as_a_secret_and_at_most_twice_as_long) {
    const cookie given = *secrets.make(who, *parse_client_hello(first), now);
    now += cookie_secrets::lifetime;
    EXPECT_TRUE(secrets.good(who, answered(given), now));
    now += cookie_secrets::lifetime;
    EXPECT_FALSE(secrets.good(who, answered(given), now));
}

TEST_F(cookies, nothing_is_good_before_there_was_a_secret_or_after_a_long_pause) {
    EXPECT_FALSE(secrets.good(who, answered(cookie{}), now));
    const cookie given = *secrets.make(who, *parse_client_hello(first), now);
    now += 3 * cookie_secrets::lifetime;
    EXPECT_FALSE(secrets.good(who, answered(given), now));
}

}  // namespace
}  // namespace co_wq::net::tls::detail
