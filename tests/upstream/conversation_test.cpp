// What a parent may answer, and what is made of it.
#include "proxy/upstream/conversation.hpp"

#include <gtest/gtest.h>

#include "sync/deadline.hpp"
#include "task/scope.hpp"

namespace co_wq::proxy::upstream {
namespace {

using namespace std::chrono_literals;
using fault = outcome::fault;

policy::parent of_kind(policy::parent_kind kind, bool with_login) {
    policy::parent made;
    made.name = "a";
    made.kind = kind;
    if (with_login) made.user = "user";
    if (with_login) made.password = "pw";
    return made;
}

// Says each text when that many bytes have come since the last one, then ends.
struct line {
    std::size_t after;
    std::string text;
};

struct talk {
    outcome said;
    std::string behind, heard;
};

task<void> play(net::tcp_listener& at, const std::vector<line>& script, std::string& heard, bool hang) {
    result<net::tcp_stream> client = co_await at.accept();
    std::size_t expected = 0;
    for (const line& each : script) {
        expected += each.after;
        while (heard.size() < expected) {
            const result<io::lease> got = co_await client->recv_lease(4096);
            if (!got || got->empty()) co_return;
            heard += as_text(got->data());
        }
        for (const char& byte : each.text) {  // in as many segments as there are bytes, mostly
            const result<void> sent = co_await client->send_all(as_bytes(std::string_view(&byte, 1)));
            if (!sent) co_return;
        }
    }
    while (hang) {
        const result<io::lease> got = co_await client->recv_lease(4096);
        if (!got || got->empty()) co_return;
    }
}

task<void> converse(io::event_loop& loop, policy::parent chosen, http::authority target, std::vector<line> script,
                    talk& out, bool hang) {
    net::tcp_listener at = net::tcp_listener::bind(loop, io::socket_address::loopback(0)).value();
    counting_scope playing(loop);
    playing.spawn(play(at, script, out.heard, hang), "parent");
    result<net::tcp_stream> to = co_await net::tcp_stream::connect(loop, at.local_address().value());
    net::tls::connection through(std::move(*to));
    const live_parent parent(std::move(chosen));
    io::lease behind;
    const duration patience = hang ? duration(50ms) : duration(10s);
    out.said = co_await with_timeout(patience, open_through(through, parent, target, behind));
    out.behind = as_text(behind.data());
    for (std::size_t wanted = out.said.what == fault::none ? 5 : 0; out.behind.size() < wanted;) {
        const result<io::lease> got = co_await through.recv_lease(64);
        if (!got || got->empty()) break;
        out.behind += as_text(got->data());
    }
}

talk with(policy::parent chosen, std::vector<line> script, bool hang = false) {
    io::event_loop loop;
    talk out;
    http::authority target;
    target.host = "x.example";
    target.port = 443;
    loop.run(converse(loop, std::move(chosen), target, std::move(script), out, hang));
    return out;
}

constexpr std::size_t connect_size =
    std::string_view("CONNECT x.example:443 HTTP/1.1\r\nHost: x.example:443\r\n\r\n").size();

talk http(std::string answer, bool hang = false) {
    return with(of_kind(policy::parent_kind::http, false), {{connect_size, std::move(answer)}}, hang);
}

TEST(conversation, http_what_comes_behind_the_head_is_the_tunnels) {
    for (const char* head : {"HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.0 200 Connection established\r\nVia: x\r\n\r\n",
                             "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 299 Fine\r\nContent-Length: 7\r\n\r\n",
                             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"}) {
        const talk one = http(std::string(head) + "early");
        EXPECT_EQ(one.said.what, fault::none) << head << one.said.why;
        EXPECT_EQ(one.behind, "early") << head;
        EXPECT_EQ(one.heard, "CONNECT x.example:443 HTTP/1.1\r\nHost: x.example:443\r\n\r\n");
    }
}

TEST(conversation, http_with_credentials) {
    const talk one =
        with(of_kind(policy::parent_kind::http, true), {{connect_size + 41, "HTTP/1.1 200 OK\r\n\r\n12345"}});
    EXPECT_EQ(one.said.what, fault::none) << one.said.why;
    EXPECT_NE(one.heard.find("\r\nProxy-Authorization: Basic dXNlcjpwdw==\r\n"), std::string::npos) << one.heard;
}

TEST(conversation, http_statuses_say_whose_fault_it_is) {
    struct expected {
        int status;
        fault what;
        errc code;
    };
    for (const expected& each :
         {expected{407, fault::parent, errc::connection_refused}, expected{403, fault::denied, errc::permission_denied},
          expected{503, fault::busy, errc::no_buffers}, expected{429, fault::busy, errc::no_buffers},
          expected{504, fault::destination, errc::timed_out}, expected{502, fault::destination, errc::host_unreachable},
          expected{301, fault::destination, errc::host_unreachable},
          expected{500, fault::destination, errc::host_unreachable}}) {
        const talk one =
            http("HTTP/1.1 " + std::to_string(each.status) + " Because secret\r\nContent-Length: 9\r\n\r\n");
        EXPECT_EQ(one.said.what, each.what) << each.status;
        EXPECT_EQ(one.said.code, each.code) << each.status;
        EXPECT_NE(one.said.why.find(std::to_string(each.status)), std::string::npos) << one.said.why;
        EXPECT_EQ(one.said.why.find("secret"), std::string::npos) << "nothing of what it writes";
    }
}

TEST(conversation, http_that_is_none_is_the_parents_fault) {
    std::string long_head = "HTTP/1.1 200 OK\r\n", many_interims;
    while (long_head.size() < 200'000) long_head += "X-Filler: " + std::string(1000, 'x') + "\r\n";
    for (int i = 0; i < 1000; ++i) many_interims += "HTTP/1.1 100 Continue\r\n\r\n";
    for (const std::string& answer :
         {std::string(), std::string("HTTP/1.1 20"), std::string("SSH-2.0-OpenSSH_9.2\r\n\r\n"), std::string("\5\0"),
          std::string("HTTP/1.1 101 Switching\r\n\r\n"), long_head + "\r\n", many_interims,
          std::string("HTTP/1.1 200 OK\r\nA: b\nc\r\n") + '\0' + "\r\n"}) {
        const talk one = http(answer);
        EXPECT_NE(one.said.what, fault::none) << answer.substr(0, 40);
        EXPECT_FALSE(one.said.why.empty());
    }
}

TEST(conversation, a_silent_one_is_left_in_time) {
    for (const char* text : {"", "HTTP/1.1 200 OK\r\n"}) {
        const talk one = http(text, true);
        EXPECT_EQ(one.said.code, errc::timed_out) << one.said.why;
    }
}

std::string bytes_of(std::initializer_list<int> all) {
    std::string made;
    for (const int each : all) made += static_cast<char>(each);
    return made;
}
const std::string granted = bytes_of({5, 0, 0, 1, 0, 0, 0, 0, 0, 0});

TEST(conversation, socks_without_and_with_credentials) {
    talk one = with(of_kind(policy::parent_kind::socks5, false), {{3, bytes_of({5, 0})}, {16, granted + "early"}});
    EXPECT_EQ(one.said.what, fault::none) << one.said.why;
    EXPECT_EQ(one.behind, "early");
    one = with(of_kind(policy::parent_kind::socks5, true),
               {{4, bytes_of({5, 2})}, {9, bytes_of({1, 0})}, {16, granted + "early"}});
    EXPECT_EQ(one.said.what, fault::none) << one.said.why;
    EXPECT_EQ(one.behind, "early");
    EXPECT_EQ(one.heard.substr(0, 13), bytes_of({5, 2, 0, 2, 1, 4}) + "user" + bytes_of({2}) + "pw");
    one = with(of_kind(policy::parent_kind::socks5, true), {{4, bytes_of({5, 0})}, {16, granted + "early"}});
    EXPECT_EQ(one.said.what, fault::none) << "it wants none: " << one.said.why;
}

TEST(conversation, socks_refusals_say_whose_fault_it_is) {
    for (const auto& [code, what, how] : {std::tuple{1, fault::destination, errc::host_unreachable},
                                          {2, fault::denied, errc::permission_denied},
                                          {3, fault::destination, errc::network_unreachable},
                                          {4, fault::destination, errc::host_unreachable},
                                          {5, fault::destination, errc::connection_refused},
                                          {6, fault::destination, errc::timed_out},
                                          {99, fault::destination, errc::host_unreachable}}) {
        const talk one = with(of_kind(policy::parent_kind::socks5, false),
                              {{3, bytes_of({5, 0})}, {16, bytes_of({5, code, 0, 1, 0, 0, 0, 0, 0, 0})}});
        EXPECT_EQ(one.said.what, what) << code;
        EXPECT_EQ(one.said.code, how) << code;
    }
    talk one = with(of_kind(policy::parent_kind::socks5, false), {{3, bytes_of({5, 255})}});
    EXPECT_EQ(one.said.what, fault::parent);
    one = with(of_kind(policy::parent_kind::socks5, false), {{3, bytes_of({5, 2})}});
    EXPECT_EQ(one.said.what, fault::parent) << "credentials that we do not have";
    one = with(of_kind(policy::parent_kind::socks5, true), {{4, bytes_of({5, 2})}, {9, bytes_of({1, 1})}});
    EXPECT_EQ(one.said.what, fault::parent);
    EXPECT_NE(one.said.why.find("credentials"), std::string::npos);
    for (const std::string& text : {std::string(), bytes_of({5}), std::string("HTTP/1.1 200 OK\r\n\r\n")}) {
        one = with(of_kind(policy::parent_kind::socks5, false), {{3, text}});
        EXPECT_EQ(one.said.what, fault::parent) << text;
    }
}

}  // namespace
}  // namespace co_wq::proxy::upstream
