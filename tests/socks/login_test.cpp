// User and password (RFC 1929), in the simulated world with the real proxy in it.
#include <gtest/gtest.h>

#include "base/log.hpp"
#include "proxy/socks/credentials.hpp"
#include "sim/proxy/socks_clients.hpp"
#include "sync/sleep.hpp"

namespace co_wq::sim::proxy {
namespace {

using namespace std::chrono_literals;

struct keeper : co_wq::proxy::socks::credentials {
    task<bool> check(std::string user, std::string password) override {
        ++asked;
        (void)co_await sleep_for(50ms);
        ++answered;
        co_return user == "user" && password == "secret";
    }
    int asked = 0, answered = 0;
};

template <std::size_t Size>
std::string bytes_of(const char (&literal)[Size]) {
    return {literal, Size - 1};
}

const std::string with_password = bytes_of("\5\2\0\2"), good = bytes_of("\1\4user\6secret"),
                  bad = bytes_of("\1\4user\6secreT"), to_echo = socks5_request(1, "echo.test", echo_port, true);
const std::string granted = bytes_of("\5\2\1\0\5\0\0\1");

// What a client says, piece by piece, and hears until the end; between two pieces it waits for an answer.
task<void> talk(world& where, std::vector<std::string> pieces, std::string& heard) {
    socks_visitor me{where};
    const bool there = co_await me.arrive(0);
    if (!there) co_return;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        const bool sent = co_await say(me.socket, pieces[i], duration::zero());
        if (!sent) co_return;
        if (i + 1 == pieces.size()) break;
        const bool more = co_await hear(me.socket, heard);
        if (!more) co_return;
    }
    (void)me.socket.shutdown_send();
    for (bool more = true; more;) more = co_await hear(me.socket, heard);
}

task<void> leave_while_asked(world& where, keeper& who) {
    socks_visitor me{where};
    const bool there = co_await me.arrive(0);
    if (!there) co_return;
    (void)co_await say(me.socket, with_password + good + to_echo, duration::zero());
    while (who.asked == 0) (void)co_await sleep_for(1ms);
    me.socket.reset();
}

class SocksLogin : public testing::Test {
protected:
    SocksLogin() : where_(io::sim_options{}), visitors_((log::set_level(log::level::off), start())) {}

    io::event_loop& start() {
        where_.drive.add_loop("outside");
        where_.scopes.push_back(std::make_unique<counting_scope>(where_.outside()));
        start_name_server(where_);
        where_.drive.on(0, [&] {
            where_.scopes[0]->spawn(echo_origin(where_, io::socket_address::ipv4({10, 0, 0, 2}, echo_port)), "echo");
        });
        where_.group.set_credentials(&who_);
        start_proxy(where_, 1);
        return where_.outside();
    }
    std::string hear_after(std::vector<std::string> pieces) {
        std::string heard;
        where_.drive.on(0, [&] { visitors_.spawn(talk(where_, std::move(pieces), heard), "client"); });
        finish();
        return heard;
    }
    // Nothing is left then, or the process ends with the reason.
    void finish() { end(where_, visitors_); }

    keeper who_;
    world where_;
    counting_scope visitors_;
};

TEST_F(SocksLogin, TheRightPasswordOpensATunnel) {
    const std::string heard = hear_after({with_password, good, to_echo + "EARLY"});
    EXPECT_TRUE(heard.starts_with(granted)) << testing::PrintToString(heard);
    EXPECT_TRUE(heard.ends_with("earlylast words")) << testing::PrintToString(heard);
    EXPECT_EQ(who_.answered, 1);
}

TEST_F(SocksLogin, AllInOneSegmentIsTheSame) {
    const std::string heard = hear_after({with_password + good + to_echo + "EARLY"});
    EXPECT_TRUE(heard.starts_with(granted) && heard.ends_with("earlylast words")) << testing::PrintToString(heard);
}

TEST_F(SocksLogin, AWrongPasswordIsToldAndIsTheEnd) {
    EXPECT_EQ(hear_after({with_password + bad + to_echo}), bytes_of("\5\2\1\1"));
    EXPECT_EQ(who_.answered, 1);
}

TEST_F(SocksLogin, ALoginOfAnotherVersionIsRefusedUnasked) {
    EXPECT_EQ(hear_after({with_password + bytes_of("\5\1\0\1") + to_echo}), bytes_of("\5\2\1\1"));
    EXPECT_EQ(who_.asked, 0);
}

TEST_F(SocksLogin, WhoOffersNoPasswordIsRefused) {
    EXPECT_EQ(hear_after({bytes_of("\5\1\0") + to_echo}), bytes_of("\5\xff"));
}

TEST_F(SocksLogin, VersionFourCannotShowOne) {
    EXPECT_EQ(hear_after({socks4_request("10.0.0.2", echo_port)}), bytes_of("\0\x5b\0\0\0\0\0\0"));
}

TEST_F(SocksLogin, ALoginThatIsCutOpensNothing) {
    for (std::size_t size = 0; size < good.size(); ++size) {
        std::string heard;
        where_.drive.on(
            0, [&] { visitors_.spawn(talk(where_, {with_password + good.substr(0, size)}, heard), "client"); });
        ASSERT_TRUE(where_.drive.run_until_done(where_.drive.clock().now() + 1h, [&] { return visitors_.empty(); }));
        EXPECT_EQ(heard, bytes_of("\5\2")) << size;
    }
    EXPECT_EQ(who_.asked, 0);
    finish();
}

TEST_F(SocksLogin, AClientThatLeavesWhileItsPasswordIsCheckedLeavesNothing) {
    where_.drive.on(0, [&] { visitors_.spawn(leave_while_asked(where_, who_), "client"); });
    finish();
    EXPECT_EQ(who_.asked, 1);
}

TEST_F(SocksLogin, TheEndOfTheProxyWhileAPasswordIsCheckedLeavesNothing) {
    std::string heard;
    where_.drive.on(0, [&] { visitors_.spawn(talk(where_, {with_password + good + to_echo}, heard), "client"); });
    ASSERT_TRUE(where_.drive.run_until_done(where_.drive.clock().now() + 1h, [&] { return who_.asked == 1; }));
    drain(where_);
    drain(where_);  // the second signal ends everything where it stands
    finish();
    EXPECT_EQ(who_.answered, 0);
    EXPECT_EQ(heard, bytes_of("\5\2"));
}

}  // namespace
}  // namespace co_wq::sim::proxy
