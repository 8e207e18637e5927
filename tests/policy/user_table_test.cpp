#include "proxy/policy/user_table.hpp"

#include <gtest/gtest.h>

#include "proxy/policy/siphash.hpp"

namespace co_wq::proxy::policy {
namespace {

constexpr std::string_view bcrypt = "$2y$04$1uzmdfytfitHV62bzxuI3OR.aL0TrxN7cfFUqVmZb4juSszPjYxOq";
constexpr std::string_view sha512 =
    "$6$rounds=1000$saltsalt$LAV5VE5Y7w1d73x1mFNspYWUpazfmwv2SoepNXNKJ/otop/Zok96Hr8Q13LEv0DRY/x8v0/crpIjl8NJSAqXV/";
constexpr std::string_view sha256 = "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA";

std::string line(std::string_view name, std::string_view hash) {
    return std::string(name) + ":" + std::string(hash) + "\n";
}

std::shared_ptr<const user_table> read(std::string_view text) {
    std::vector<user_problem> wrong;
    auto made = user_table::parse(text, wrong);
    for (const user_problem& each : wrong) ADD_FAILURE() << each.line << ": " << each.what;
    return made;
}

std::vector<user_problem> problems(std::string_view text) {
    std::vector<user_problem> wrong;
    (void)user_table::parse(text, wrong);
    return wrong;
}

TEST(user_table, every_kind_of_hash_is_checked) {
    const auto table =
        read("# staff\n\n" + line("alice", bcrypt) + line("bob", sha512) + "carol:" + std::string(sha256));
    EXPECT_EQ(table->size(), 3u);
    for (const char* each : {"alice", "bob", "carol"}) {
        EXPECT_TRUE(table->verify(each, "secret")) << each;
        for (const char* wrong : {"", "Secret", "secret ", "secre", "secrets"})
            EXPECT_FALSE(table->verify(each, wrong)) << each;
    }
}

TEST(user_table, passwords_may_hold_anything_but_zero_bytes) {
    const auto table = read(line("bob", "$2y$05$85Tk6J5aQ7hCc9PDZ/P4neA/UIoXJiLPCsS4YD/jSCk851PnCVEiq"));
    EXPECT_TRUE(table->verify("bob", "p\xc3\xa4ss:w\xc3\xb6rd"));
    const auto other = read(line("alice", bcrypt));
    EXPECT_FALSE(other->verify("alice", std::string_view("secret\0x", 8)));
    EXPECT_FALSE(other->verify("alice", std::string_view("secret\0", 7)));
    EXPECT_FALSE(other->verify("alice", std::string(password_max + 1, 'x')));
}

TEST(user_table, an_unknown_user_is_refused_whatever_the_password) {
    const auto table = read(line("alice", bcrypt));
    for (const char* each : {"mallory", "Alice", "alice ", "", "*"})
        EXPECT_FALSE(table->verify(each, "secret")) << each;
    EXPECT_FALSE(read("")->verify("alice", "secret"));
}

TEST(user_table, lines_of_windows_are_read) {
    EXPECT_TRUE(read("alice:" + std::string(bcrypt) + "\r\n")->verify("alice", "secret"));
}

TEST(user_table, every_bad_line_is_told_with_its_number_and_the_good_ones_are_kept) {
    const std::string text = line("alice", bcrypt) + "nothing\n" + ":" + std::string(bcrypt) + "\n" +
                             line("alice", sha256) + line("*", bcrypt) + line("a b", bcrypt) +
                             line(std::string(256, 'a'), bcrypt) + "x:\n" + line("y", "plain") +
                             line("z", "$apr1$salt$xxxxxxxxxxxxxxxxxxxxxx") + line("m", "{SHA}xxxx") +
                             line("n", "$1$saltsalt$9xy1btjgzLYfb7hivXtC//");
    const std::vector<user_problem> wrong = problems(text);
    ASSERT_EQ(wrong.size(), 11u);
    for (std::size_t at = 0; at < wrong.size(); ++at) EXPECT_EQ(wrong[at].line, at + 2) << wrong[at].what;
    EXPECT_NE(wrong[0].what.find("NAME:HASH"), std::string::npos);
    EXPECT_NE(wrong[2].what.find("earlier line"), std::string::npos);
    EXPECT_NE(wrong[7].what.find("htpasswd -B"), std::string::npos);
    EXPECT_NE(wrong[8].what.find("MD5"), std::string::npos);
    EXPECT_NE(wrong[9].what.find("SHA-1"), std::string::npos);
}

TEST(user_table, broken_and_ruinous_hashes_are_refused) {
    std::string cut(bcrypt);
    cut.pop_back();
    const std::string more = std::string(bcrypt) + "x", dear = "$2y$16$" + std::string(bcrypt.substr(7)),
                      cheap = "$2y$03$" + std::string(bcrypt.substr(7)),
                      odd = "$2y$0x$" + std::string(bcrypt.substr(7)), bare = "$2y$04", none = "$2y$";
    std::string blank(bcrypt);
    blank.back() = ' ';
    for (const std::string& each : {cut, more, dear, cheap, odd, bare, none, blank})
        EXPECT_EQ(problems(line("a", each)).size(), 1u) << each;
    const std::string digest(sha512.substr(sha512.rfind('$')));
    for (const std::string& each :
         {"$6$salt" + digest.substr(0, 80), "$6$rounds=5000001$salt" + digest, "$6$rounds=999$salt" + digest,
          "$6$rounds=99999999999999999999$salt" + digest, "$6$rounds=$salt" + digest, std::string("$6$rounds=1000"),
          "$6$saltsaltsaltsalt1" + digest, std::string("$6$"), std::string("$6$salt"), std::string("$5$") + digest,
          "$6$sa:lt" + digest})
        EXPECT_EQ(problems(line("a", each)).size(), 1u) << each;
    EXPECT_TRUE(problems(line("a", "$6$rounds=5000000$salt" + digest)).empty());
}

// The first values of the authors' test vectors: key 00 01 ... 0f, no bytes and one zero byte.
TEST(siphash, it_computes_the_published_values) {
    const siphash_key key{0x0706050403020100, 0x0f0e0d0c0b0a0908};
    EXPECT_EQ(siphash_128(key, ""), (std::array<std::uint64_t, 2>{0xe6a825ba047f81a3, 0x930255c71472f66d}));
    EXPECT_EQ(siphash_128(key, std::string_view("\0", 1)),
              (std::array<std::uint64_t, 2>{0x44af996bd8c187da, 0x45fc229b11597634}));
    EXPECT_NE(siphash_128(key, "12345678"), siphash_128(key, "12345679"));
    EXPECT_NE(siphash_128(key, std::string_view("1234567\0", 8)), siphash_128(key, "1234567"));
    EXPECT_NE(random_siphash_key(), random_siphash_key());
}

}  // namespace
}  // namespace co_wq::proxy::policy
