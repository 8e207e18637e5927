#include "io/backend/native_headers.hpp"

#ifdef _WIN32
#include <netioapi.h>
#else
#include <net/if.h>
#endif

#include "io/interface_index.hpp"
#include "net/dns/detail/hosts_file.hpp"
#include "temp_file.hpp"
#include "world.hpp"

namespace co_wq::net::dns::test {
namespace {

using file = temp_file;

std::string text_of(const detail::answer_ptr& found) {
    if (!found) return "unknown";
    if (!*found) return found->error().message();
    return test::text_of((*found)->addresses);
}

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
    EXPECT_EQ(text_of(hosts.find("alias", v6, start)), "name has no such data");
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

std::string names_of(const char* address, std::uint32_t scope, detail::hosts_file& in) {
    io::socket_address wanted = io::socket_address::parse(address, 80).value();
    if (scope != 0) wanted = io::socket_address::ipv6(wanted.octets(), 80, scope);
    const std::vector<std::string>* found = in.names_of(wanted, start);
    if (!found) return "unknown";
    std::string text;
    for (const std::string& one : *found) text += (text.empty() ? "" : " ") + one;
    return text;
}

TEST(hosts_file, addresses_have_the_names_of_all_their_lines_in_order_and_not_too_many) {
    std::string blocked;
    for (int i = 0; i < 1000; ++i) blocked += "0.0.0.0 ad" + std::to_string(i) + ".example\n";
    const file given("192.0.2.1 One.example one alias.\n192.0.2.1 two one\n" + blocked);
    detail::hosts_file hosts(given.path());
    EXPECT_EQ(names_of("192.0.2.1", 0, hosts), "one.example one alias two");
    EXPECT_EQ(names_of("192.0.2.2", 0, hosts), "unknown");
    EXPECT_EQ(std::ranges::count(names_of("0.0.0.0", 0, hosts), ' ') + 1,
              static_cast<int>(detail::hosts_table::names_per_address_max));
    EXPECT_EQ(text_of(hosts.find("ad999.example", v4, start)), "0.0.0.0:0");
}

TEST(hosts_file, zones_are_scopes_by_number_or_by_interface) {
    char here[IF_NAMESIZE] = {};
    if (!::if_indextoname(1, here)) GTEST_SKIP() << "the system does not name its first interface";
    const std::uint32_t loopback = io::interface_index(here).value();
    const file given("fe80::1%3 three.example\nfe80::1%" + std::string(here) +
                     " here.example\nfe80::1%nosuchif0 nowhere.example\n"
                     "192.0.2.1%3 four.example\nfe80::1% five.example\nfe80::1%0 zero.example\n");
    detail::hosts_file hosts(given.path());
    EXPECT_EQ((*hosts.find("three.example", v6, start))->addresses.at(0).scope(), 3u);
    EXPECT_EQ((*hosts.find("here.example", v6, start))->addresses.at(0).scope(), loopback);
    for (const char* name : {"nowhere.example", "four.example", "five.example", "zero.example"})
        EXPECT_EQ(text_of(hosts.find(name, v6, start)), "unknown") << name;
    EXPECT_EQ(names_of("fe80::1", 3, hosts), "three.example");
    EXPECT_EQ(names_of("fe80::1", 0, hosts), "unknown");
    EXPECT_EQ(io::interface_index("a name that is too long").error(), errc::not_found);
}

std::string large_file(const char* address, int lines) {
    std::string text;
    for (int i = 0; i < lines; ++i) text += std::string(address) + " host" + std::to_string(i) + ".example\n";
    return text;
}

TEST(hosts_file, a_large_file_is_read_in_slices_and_the_former_one_counts_meanwhile) {
    file given(large_file("192.0.2.1", 20'000));
    detail::hosts_file hosts(given.path());
    EXPECT_EQ(text_of(hosts.find("host19999.example", v4, start)), "192.0.2.1:0");  // at first all of it
    const auto settle = [&hosts] {
        int slices = 0;
        while (hosts.load_more()) ++slices;
        return slices;
    };
    settle();
    given.write(large_file("192.0.2.2", 20'000));
    EXPECT_EQ(text_of(hosts.find("host7.example", v4, start + 1s)), "192.0.2.1:0");
    EXPECT_TRUE(hosts.loading());
    // a change on the way is seen when this one is done
    given.write(large_file("192.0.2.3", 3));
    EXPECT_EQ(text_of(hosts.find("host7.example", v4, start + 2s)), "192.0.2.1:0");
    EXPECT_GT(settle(), 5);
    EXPECT_EQ(text_of(hosts.find("host2.example", v4, start + 3s)), "192.0.2.3:0");
    settle();
    EXPECT_EQ(text_of(hosts.find("host7.example", v4, start + 4s)), "unknown");
}

TEST(hosts_file, what_is_no_file_is_not_opened) {
    detail::hosts_file folder("/"), device("/dev/null");
    EXPECT_EQ(text_of(folder.find("name.example", v4, start)), "unknown");
    EXPECT_EQ(text_of(device.find("name.example", v4, start)), "unknown");
}

TEST(hosts_file, lines_of_any_length_and_bytes_are_survived) {
    const file given(std::string(300'000, 'x') + "\n" + "192.0.2.1 " + std::string(70'000, 'y') + " z.example\n" +
                     std::string("192.0.2.2 nul\0.example\n", 23) + "192.0.2.3 last.example");
    detail::hosts_file hosts(given.path());
    EXPECT_EQ(text_of(hosts.find("last.example", v4, start)), "192.0.2.3:0");
    EXPECT_EQ(text_of(hosts.find("nul", v4, start)), "unknown");
}

TEST(file_watch, a_file_written_just_now_is_read_once_more) {
    const file given("x");
    detail::file_watch watch(given.path());
    using state = detail::file_watch::state;
    EXPECT_EQ(watch.look(start), state::changed);
    EXPECT_EQ(watch.look(start + 1s), state::same);
    std::filesystem::last_write_time(given.path(), std::filesystem::file_time_type::clock::now());
    EXPECT_EQ(watch.look(start + 2s), state::changed);
    EXPECT_EQ(watch.look(start + 2s), state::same);  // not looked at
    EXPECT_EQ(watch.look(start + 3s), state::changed);
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
        EXPECT_EQ(test::text_of(co_await on.resolve("only-four.example", families::ipv6_only)),
                  "name has no such data");
        EXPECT_EQ(on.server.asked(), 0u);
    }(world{*loop, server, names}));
}

TEST_P(hosts_names, of_an_address_come_before_servers_and_a_large_file_is_taken_over_by_and_by) {
    file given("192.0.2.1 host.example host\n");
    resolver_options options = server.options();
    options.hosts_file = given.path();
    resolver names(*loop, options);
    loop->run([](world on, file& hosts) -> task<void> {
        const auto address = io::socket_address::parse("::ffff:192.0.2.1", 80).value();
        const auto found = co_await on.names.reverse(address);
        EXPECT_EQ(found.value(), (std::vector<std::string>{"host.example", "host"}));
        EXPECT_EQ(on.server.asked(), 0u);
        hosts.write(large_file("192.0.2.9", 20'000));
        (void)co_await sleep_for(1100ms);
        EXPECT_EQ(test::text_of(co_await on.resolve("host.example", families::ipv4_only)), "192.0.2.1:80");
        for (int i = 0; i < 10'000; ++i) {
            const auto now = co_await on.resolve("host.example", families::ipv4_only);
            if (test::text_of(now) == "192.0.2.1:80") {
                co_await moments(1);
            } else {
                break;
            }
        }
        EXPECT_EQ(test::text_of(co_await on.resolve("host9.example", families::ipv4_only)), "192.0.2.9:80");
        EXPECT_EQ(test::text_of(co_await on.resolve("host.example", families::ipv4_only)), "name has no such data");
    }(world{*loop, server, names}, given));
}

INSTANTIATE_TEST_SUITE_P(reactors, hosts_names, every_reactor, io::test::name_of_case);

}  // namespace
}  // namespace co_wq::net::dns::test
