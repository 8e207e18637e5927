#include "net/dns/detail/hosts_file.hpp"

#include <algorithm>
#include <fstream>
#include <random>

#include "world.hpp"

namespace co_wq::net::dns::test {
namespace {

class file {
public:
    explicit file(const std::string& text) : path_(testing::TempDir() + "/" + name_of_test()) { write(text); }
    ~file() { std::filesystem::remove(path_); }
    void write(const std::string& text) {
        std::ofstream(path_) << text;
        // a change must show whatever the file system's clock ticks like
        std::filesystem::last_write_time(path_, std::filesystem::file_time_type() + std::chrono::seconds(++writes_));
    }
    const std::string& path() const noexcept { return path_; }

private:
    static std::string name_of_test() {
        std::string name = testing::UnitTest::GetInstance()->current_test_info()->name();
        std::replace(name.begin(), name.end(), '/', '_');
        return "hosts_" + name + "_" + std::to_string(std::random_device()());  // several runs at once
    }

    std::string path_;
    int writes_ = 0;
};

std::string text_of(const detail::answer_ptr& found) { return found ? test::text_of(*found) : "unknown"; }

constexpr auto v4 = io::address_family::ipv4;
constexpr auto v6 = io::address_family::ipv6;
constexpr time_point start{1h};

TEST(hosts_file, names_and_aliases_have_all_addresses_of_all_their_lines) {
    const file given(
        "# comment\n"
        "192.0.2.1\tOne.example  alias # more\n"
        "\n   192.0.2.2 one.example\r\n"
        "2001:db8::1 one.example\n"
        "not-an-address two.example\n"
        "192.0.2.3\n"
        "192.0.2.4 bad..name good.example");
    detail::hosts_file hosts(given.path());
    EXPECT_EQ(text_of(hosts.find("one.example", v4, start)), "192.0.2.1:0 192.0.2.2:0");
    EXPECT_EQ(text_of(hosts.find("one.example.", v6, start)), "[2001:db8::1]:0");
    EXPECT_EQ(text_of(hosts.find("alias", v4, start)), "192.0.2.1:0");
    EXPECT_EQ(text_of(hosts.find("alias", v6, start)), "name has no address");
    EXPECT_EQ(text_of(hosts.find("two.example", v4, start)), "unknown");
    EXPECT_EQ(text_of(hosts.find("good.example", v4, start)), "192.0.2.4:0");
}

TEST(hosts_file, a_change_shows_within_a_second) {
    file given("192.0.2.1 name.example\n");
    detail::hosts_file hosts(given.path());
    EXPECT_EQ(text_of(hosts.find("name.example", v4, start)), "192.0.2.1:0");
    given.write("192.0.2.2 name.example\n");
    EXPECT_EQ(text_of(hosts.find("name.example", v4, start + 999ms)), "192.0.2.1:0");
    EXPECT_EQ(text_of(hosts.find("name.example", v4, start + 1s)), "192.0.2.2:0");
    std::filesystem::remove(given.path());
    EXPECT_EQ(text_of(hosts.find("name.example", v4, start + 2s)), "unknown");
    given.write("192.0.2.3 name.example\n");
    hosts.forget();
    EXPECT_EQ(text_of(hosts.find("name.example", v4, start + 2s)), "192.0.2.3:0");
}

TEST(hosts_file, a_file_that_is_not_there_knows_nothing) {
    detail::hosts_file none(""), missing("/nonexistent/hosts");
    EXPECT_EQ(text_of(none.find("name.example", v4, start)), "unknown");
    EXPECT_EQ(text_of(missing.find("name.example", v4, start)), "unknown");
}

using hosts_names = with_name_server;

TEST_P(hosts_names, are_never_asked_for_not_even_for_the_family_they_lack) {
    const file given("192.0.2.1 only-four.example\n");
    resolver_options options = server.options();
    options.hosts_file = given.path();
    resolver names(*loop, options);
    loop->run([](world on) -> task<void> {
        EXPECT_EQ(test::text_of(co_await on.resolve("Only-Four.example")), "192.0.2.1:80");
        EXPECT_EQ(test::text_of(co_await on.resolve("only-four.example", families::ipv6_only)), "name has no address");
        EXPECT_EQ(on.server.asked(), 0u);
    }(world{*loop, server, names}));
}

INSTANTIATE_TEST_SUITE_P(reactors, hosts_names, real_reactors, io::test::name_of_case);

}  // namespace
}  // namespace co_wq::net::dns::test
