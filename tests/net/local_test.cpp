// Local sockets on the real kernels.
#include "net/local.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "io/reactors.hpp"
#include "sync/deadline.hpp"
#include "task/when.hpp"
#include "task/yield.hpp"

namespace co_wq::net {
namespace {

using namespace std::chrono_literals;
using io::socket_address;

// A folder of its own for each test.
class local : public testing::TestWithParam<io::test::backend> {
protected:
    local() : loop(GetParam()) {
        char name[] = "/tmp/co_wq_local_XXXXXX";
        folder_ = ::mkdtemp(name);
    }
    ~local() override {
        for (const char* left : {"/s", "/s.lock", "/t", "/t.lock"}) ::unlink((folder_ + left).c_str());
        EXPECT_EQ(::rmdir(folder_.c_str()), 0);
    }
    std::string path(const char* name = "/s") const { return folder_ + name; }
    socket_address at(const char* name = "/s") const { return *socket_address::local(path(name)); }
    static bool exists(const std::string& name) {
        struct stat found{};
        return ::lstat(name.c_str(), &found) == 0;
    }
    local_listener bound(local_options options = {}) {
        result<local_listener> made = local_listener::bind(*loop, at(), options);
        EXPECT_TRUE(made.has_value()) << made.error().message();
        return std::move(*made);
    }
    std::pair<local_stream, local_stream> connected(const local_listener& listener) {
        auto both = [](io::event_loop& here, const local_listener& to) -> task<std::pair<local_stream, local_stream>> {
            result<local_stream> near = co_await local_stream::connect(here, *to.local_address());
            EXPECT_TRUE(near.has_value());
            result<local_stream> far = co_await to.accept();
            EXPECT_TRUE(far.has_value());
            co_return std::pair{std::move(*near), std::move(*far)};
        };
        return loop->run(both(*loop, listener));
    }

    io::test::loop_under_test loop;

private:
    std::string folder_;
};

int next_free_number() {
    const int number = ::dup(0);
    ::close(number);
    return number;
}

task<void> send_text(const local_stream& to, std::string text) {
    EXPECT_TRUE((co_await to.send_all(as_bytes(text))).has_value());
}

task<std::string> receive_text(const local_stream& from, std::size_t size) {
    std::string text;
    std::byte room[64];
    while (text.size() < size) {
        const result<std::size_t> got = co_await from.recv(room);
        if (!got || *got == 0) break;
        text += as_text(const_bytes(room).first(*got));
    }
    co_return text;
}

TEST_P(local, addresses_are_paths_or_names) {
    const socket_address path = at();
    EXPECT_EQ(path.family(), io::address_family::local);
    EXPECT_EQ(path.text(), "unix:" + this->path());
    EXPECT_FALSE(path.is_abstract());
    const socket_address name = *socket_address::local_abstract("name");
    EXPECT_EQ(name.text(), "unix:@name");
    EXPECT_EQ(name.path(), "name");
    EXPECT_TRUE(name.is_abstract());
    EXPECT_NE(name, *socket_address::local("name"));
    EXPECT_TRUE(socket_address::local(std::string(107, 'x')).has_value());
    for (const std::string& wrong : {std::string(), std::string(108, 'x'), std::string("a\0b", 3)})
        EXPECT_EQ(socket_address::local(wrong).error(), errc::invalid_argument);
    EXPECT_FALSE(socket_address::local_abstract("").has_value());
    EXPECT_FALSE(socket_address::local_abstract(std::string(108, 'x')).has_value());
}

TEST_P(local, streams_carry_bytes_and_end) {
    const local_listener listener = bound();
    EXPECT_EQ(*listener.local_address(), at());
    auto [near, far] = connected(listener);
    loop->run(send_text(near, "hello"));
    EXPECT_EQ(loop->run(receive_text(far, 5)), "hello");
    EXPECT_TRUE(near.shutdown_send().has_value());
    EXPECT_EQ(loop->run(receive_text(far, 1)), "");
    loop->run(send_text(far, "and back"));
    EXPECT_EQ(loop->run(receive_text(near, 8)), "and back");
}

TEST_P(local, the_peer_has_a_name) {
    const local_listener listener = bound();
    auto [near, far] = connected(listener);
    const result<io::peer_credentials> who = far.peer();
    ASSERT_TRUE(who.has_value());
    EXPECT_EQ(who->process, ::getpid());
    EXPECT_EQ(who->user, ::getuid());
    EXPECT_EQ(who->group, ::getgid());
}

TEST_P(local, abstract_names_leave_no_file) {
    const std::string name = "co_wq test " + std::to_string(::getpid());
    const result<local_listener> made = local_listener::bind(*loop, *socket_address::local_abstract(name));
    ASSERT_TRUE(made.has_value()) << made.error().message();
    auto [near, far] = connected(*made);
    loop->run(send_text(near, "x"));
    EXPECT_EQ(loop->run(receive_text(far, 1)), "x");
    EXPECT_EQ(local_listener::bind(*loop, *socket_address::local_abstract(name)).error(), errc::address_in_use);
}

TEST_P(local, the_path_has_its_mode_and_goes_with_its_listener) {
    {
        const mode_t before = ::umask(077);
        const local_listener listener = bound({.mode = 0640});
        ::umask(before);
        struct stat found{};
        ASSERT_EQ(::stat(path().c_str(), &found), 0);
        EXPECT_EQ(found.st_mode & 0777, 0640u);
        EXPECT_TRUE(exists(path() + ".lock"));
    }
    EXPECT_FALSE(exists(path()));
    EXPECT_FALSE(exists(path() + ".lock"));
}

TEST_P(local, a_live_listener_keeps_its_place) {
    const local_listener first = bound();
    const result<local_listener> second = local_listener::bind(*loop, at());
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error(), errc::address_in_use);
    auto [near, far] = connected(first);
    EXPECT_TRUE(far.is_open());
}

// What a process leaves behind that is killed: the socket, its lock file, no lock.
TEST_P(local, the_place_of_one_that_crashed_is_taken_over) {
    const pid_t child = ::fork();
    if (child == 0) {
        io::test::loop_under_test own(io::test::backend{io::reactor_kind::epoll, 0});
        const result<local_listener> made = local_listener::bind(*own, at());
        ::_exit(made.has_value() ? 0 : 1);  // nothing is cleaned up
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
    ASSERT_TRUE(exists(path()));
    const local_listener next = bound();
    auto [near, far] = connected(next);
    loop->run(send_text(near, "alive"));
    EXPECT_EQ(loop->run(receive_text(far, 5)), "alive");
}

TEST_P(local, a_socket_that_it_did_not_make_stays) {
    const int foreign = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un where{};
    where.sun_family = AF_UNIX;
    std::snprintf(where.sun_path, sizeof where.sun_path, "%s", path().c_str());
    ASSERT_EQ(::bind(foreign, reinterpret_cast<sockaddr*>(&where), sizeof where), 0);
    ::close(foreign);  // stale, but not ours
    const result<local_listener> made = local_listener::bind(*loop, at());
    ASSERT_FALSE(made.has_value());
    EXPECT_EQ(made.error(), errc::address_in_use);
    EXPECT_TRUE(exists(path()));
    EXPECT_FALSE(exists(path() + ".lock"));
}

TEST_P(local, a_file_that_it_did_not_make_stays) {
    std::ofstream(path()) << "precious";
    EXPECT_EQ(local_listener::bind(*loop, at()).error(), errc::address_in_use);
    std::string word;
    std::ifstream(path()) >> word;
    EXPECT_EQ(word, "precious");
}

// ... and the lock file of somebody else is neither overwritten nor removed.
TEST_P(local, a_lock_file_that_it_did_not_make_stays) {
    std::ofstream(path() + ".lock") << "notes of somebody else, which are longer than a record of ours";
    EXPECT_EQ(local_listener::bind(*loop, at()).error(), errc::address_in_use);
    std::string word;
    std::ifstream(path() + ".lock") >> word;
    EXPECT_EQ(word, "notes");
}

// One that dies between binding and recording leaves a socket that refuses connections, and a lock file that says so.
TEST_P(local, the_place_of_one_that_crashed_while_binding_is_taken_over) {
    const pid_t child = ::fork();
    if (child == 0) {
        io::path_claim claim = *io::path_claim::take(path());
        const int one = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un where{};
        where.sun_family = AF_UNIX;
        std::snprintf(where.sun_path, sizeof where.sun_path, "%s", path().c_str());
        ::_exit(::bind(one, reinterpret_cast<sockaddr*>(&where), sizeof where) == 0 ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
    ASSERT_TRUE(exists(path()));
    const local_listener next = bound();
    EXPECT_TRUE(next.is_open());
}

TEST_P(local, a_forked_child_leaves_its_parents_path_alone) {
    std::optional<io::path_claim> claim(*io::path_claim::take(path()));
    std::ofstream(path() + "x");
    ASSERT_EQ(::rename((path() + "x").c_str(), path().c_str()), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        claim.reset();
        ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(exists(path() + ".lock"));
    claim.reset();
    EXPECT_FALSE(exists(path() + ".lock"));
}

// A task that is dropped before it began has opened nothing.
TEST_P(local, a_connect_that_never_begins_leaves_no_file_open) {
    const int before = next_free_number();
    {
        const task<result<local_stream>> never = local_stream::connect(*loop, at());
        const task<result<local_packets>> neither = local_packets::connect(*loop, at());
    }
    EXPECT_EQ(next_free_number(), before);
}

// The kernel ends a read where files came with the bytes: what lies behind is there, and no event tells of it again.
TEST_P(local, bytes_behind_unasked_files_are_read) {
    auto pair = local_stream::make_pair(*loop);
    ASSERT_TRUE(pair.has_value());
    const auto& [near, far] = *pair;
    auto send = [&]() -> task<void> {
        const std::array<io::native_handle, 1> given{0};
        const result<void> first = co_await near.send_all_with_files(as_bytes("abc"), given);
        const result<void> second = co_await near.send_all(as_bytes("def"));
        EXPECT_TRUE(first && second);
    };
    auto both = [&]() -> task<std::string> {
        counting_scope sender(*loop);
        sender.spawn(send(), "sender");
        std::string text = co_await with_timeout(5s, receive_text(far, 6));
        co_await sender.join();
        co_return text;
    };
    EXPECT_EQ(loop->run(both()), "abcdef");
}

// A lease reads what is there and no more: files that come later find their reader.
TEST_P(local, files_after_a_lease_are_not_swallowed) {
    auto pair = local_stream::make_pair(*loop);
    ASSERT_TRUE(pair.has_value());
    const auto& [near, far] = *pair;
    auto talk = [&]() -> task<std::size_t> {
        const result<void> head = co_await near.send_all(as_bytes("head"));
        EXPECT_TRUE(head.has_value());
        const result<io::lease> lease = co_await far.recv_lease(4096);
        EXPECT_TRUE(lease.has_value());
        const std::array<io::native_handle, 1> given{0};
        const result<void> sent = co_await near.send_all_with_files(as_bytes("file"), given);
        EXPECT_TRUE(sent.has_value());
        std::byte room[16];
        std::array<io::file_handle, 1> files;
        const result<io::received_files> got = co_await far.recv_with_files(room, files);
        co_return got ? got->files : 99;
    };
    EXPECT_EQ(loop->run(talk()), 1u);
}

// While the receiver's queue is full a sender by name sleeps; it does not spin.
TEST_P(local, a_datagram_by_name_waits_for_room_without_spinning) {
    const result<local_datagrams> there = local_datagrams::bind(*loop, at("/t"));
    const result<local_datagrams> here = local_datagrams::open(*loop);
    ASSERT_TRUE(there && here);
    auto flood = [&]() -> task<int> {
        int sent = 0;
        for (;; ++sent) {
            const result<void> one = co_await with_timeout(100ms, here->send_to(as_bytes("x"), at("/t")));
            if (!one) {
                EXPECT_EQ(one.error(), errc::timed_out);
                co_return sent;
            }
        }
    };
    EXPECT_GT(loop->run(flood()), 0);
    EXPECT_LT(loop->reactor().stats().attempts, 100u);
    auto drain_and_send = [&]() -> task<void> {
        std::byte room[4];
        const result<io::received> got = co_await there->recv_from(room);
        EXPECT_TRUE(got.has_value());
        const result<void> sent = co_await here->send_to(as_bytes("y"), at("/t"));
        EXPECT_TRUE(sent.has_value());
    };
    loop->run(drain_and_send());
}

TEST_P(local, what_took_the_place_meanwhile_stays) {
    {
        const local_listener listener = bound();
        ASSERT_EQ(::unlink(path().c_str()), 0);
        std::ofstream(path()) << "other";
    }
    EXPECT_TRUE(exists(path()));
    EXPECT_FALSE(exists(path() + ".lock"));
}

TEST_P(local, connecting_says_what_is_wrong) {
    auto connect = [](io::event_loop& here, socket_address where) -> task<errc> {
        const result<local_stream> made = co_await local_stream::connect(here, where);
        co_return made ? errc::other : made.error().code();
    };
    EXPECT_EQ(loop->run(connect(*loop, at())), errc::not_found);
    EXPECT_EQ(loop->run(connect(*loop, socket_address::loopback(1))), errc::invalid_argument);
    std::ofstream(path()) << "no socket";
    EXPECT_EQ(loop->run(connect(*loop, at())), errc::connection_refused);
    EXPECT_EQ(local_listener::bind(*loop, socket_address::loopback(0)).error(), errc::invalid_argument);
    EXPECT_EQ(local_listener::bind(*loop, *socket_address::local("/nowhere/at/all")).error(), errc::not_found);
}

// The third finds no place in a queue for one; it gets in when somebody is accepted.
TEST_P(local, connecting_waits_for_a_place_in_the_queue) {
    const local_listener listener = bound({.backlog = 0});
    auto connect = [](io::event_loop& here, socket_address where) -> task<bool> {
        const result<local_stream> made = co_await local_stream::connect(here, where);
        co_return made.has_value();
    };
    auto accept_all = [](const local_listener& from) -> task<int> {
        int count = 0;
        for (; count < 3; ++count) {
            const result<local_stream> one = co_await from.accept();
            if (!one) break;
        }
        co_return count;
    };
    auto all = [&](io::event_loop& here) -> task<int> {
        auto [first, second, third, accepted] =
            co_await when_all(connect(here, at()), connect(here, at()), connect(here, at()), accept_all(listener));
        co_return first + second + third + accepted;
    };
    EXPECT_EQ(loop->run(all(*loop)), 6);
}

TEST_P(local, a_wait_for_a_place_can_be_given_up) {
    const local_listener listener = bound({.backlog = 0});
    auto connect = [](io::event_loop& here, socket_address where) -> task<result<local_stream>> {
        result<local_stream> made = co_await local_stream::connect(here, where);
        co_return made;
    };
    auto many = [&](io::event_loop& here) -> task<errc> {
        std::vector<local_stream> kept;
        for (;;) {
            result<local_stream> made = co_await with_timeout(50ms, connect(here, at()));
            if (!made) co_return made.error().code();
            kept.push_back(std::move(*made));
        }
    };
    EXPECT_EQ(loop->run(many(*loop)), errc::timed_out);
}

TEST_P(local, packets_arrive_whole_and_in_order) {
    const result<local_packet_listener> listener = local_packet_listener::bind(*loop, at());
    ASSERT_TRUE(listener.has_value()) << listener.error().message();
    auto talk = [&](io::event_loop& here) -> task<void> {
        result<local_packets> near = co_await local_packets::connect(here, at());
        const result<local_packets> far = co_await listener->accept();
        EXPECT_TRUE(near && far);
        if (!near || !far) co_return;
        for (const char* word : {"one", "two", "a long one"}) {
            const result<void> sent = co_await near->send(as_bytes(word));
            EXPECT_TRUE(sent.has_value());
        }
        std::byte room[5];
        for (const char* word : {"one", "two", "a lon"}) {
            const result<io::received> got = co_await far->recv(room);
            EXPECT_TRUE(got.has_value());
            if (!got) co_return;
            EXPECT_EQ(as_text(const_bytes(room).first(got->size)), word);
            EXPECT_EQ(got->truncated(), got->full_size == 10);
        }
        near->close();
        const result<io::received> end = co_await far->recv(room);
        EXPECT_TRUE(end.has_value());
        if (end) EXPECT_EQ(end->size, 0u);
    };
    loop->run(talk(*loop));
}

TEST_P(local, datagrams_have_senders_with_names) {
    const result<local_datagrams> here = local_datagrams::bind(*loop, at("/s"));
    const result<local_datagrams> there = local_datagrams::bind(*loop, at("/t"));
    ASSERT_TRUE(here && there);
    auto talk = [&]() -> task<void> {
        const result<void> sent = co_await here->send_to(as_bytes("hi"), at("/t"));
        EXPECT_TRUE(sent.has_value());
        std::byte room[8];
        const result<io::received> got = co_await there->recv_from(room);
        EXPECT_TRUE(got.has_value());
        if (!got) co_return;
        EXPECT_EQ(got->from, at("/s"));
        const result<void> back = co_await there->send_to(as_bytes("ho"), got->from);
        EXPECT_TRUE(back.has_value());
        const result<io::received> answer = co_await here->recv_from(room);
        EXPECT_TRUE(answer.has_value());
    };
    loop->run(talk());
    result<local_datagrams> nameless = local_datagrams::open(*loop);
    ASSERT_TRUE(nameless && nameless->connect(at("/t")).has_value());
    auto unnamed = [&]() -> task<void> {
        const result<void> sent = co_await nameless->send(as_bytes("?"));
        EXPECT_TRUE(sent.has_value());
        std::byte room[8];
        const result<io::received> got = co_await there->recv_from(room);
        EXPECT_TRUE(got.has_value());
        if (got) EXPECT_TRUE(got->from.path().empty());
    };
    loop->run(unnamed());
}

// ---- files

std::size_t open_files() {
    std::size_t count = 0;
    for (int number = 0; number < 1024; ++number) count += ::fcntl(number, F_GETFD) != -1;
    return count;
}

TEST_P(local, files_travel_with_bytes) {
    auto pair = local_stream::make_pair(*loop);
    ASSERT_TRUE(pair.has_value());
    const auto& [near, far] = *pair;
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const std::size_t before = open_files();
    {
        auto pass = [&]() -> task<void> {
            const std::array<io::native_handle, 2> given{ends[0], ends[1]};
            const result<void> sent = co_await near.send_all_with_files(as_bytes("take these"), given);
            EXPECT_TRUE(sent.has_value());
            std::byte room[32];
            std::array<io::file_handle, 3> files;
            const result<io::received_files> got = co_await far.recv_with_files(room, files);
            EXPECT_TRUE(got.has_value());
            if (!got) co_return;
            EXPECT_EQ(as_text(const_bytes(room).first(got->size)), "take these");
            EXPECT_EQ(got->files, 2u);
            EXPECT_FALSE(got->lost);
            EXPECT_TRUE(files[0] && files[1] && !files[2]);
            EXPECT_EQ(::write(files[1].get(), "through", 7), 7);
            char text[8] = "";
            EXPECT_EQ(::read(ends[0], text, 7), 7);
            EXPECT_STREQ(text, "through");
            EXPECT_TRUE(::fcntl(files[0].get(), F_GETFD) & FD_CLOEXEC);
        };
        loop->run(pass());
    }
    EXPECT_EQ(open_files(), before);
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST_P(local, files_without_room_are_closed_and_told) {
    auto pair = local_stream::make_pair(*loop);
    ASSERT_TRUE(pair.has_value());
    const auto& [near, far] = *pair;
    const std::size_t before = open_files();
    auto pass = [&]() -> task<void> {
        const std::array<io::native_handle, 3> given{0, 1, 2};
        const result<void> sent = co_await near.send_all_with_files(as_bytes("x"), given);
        EXPECT_TRUE(sent.has_value());
        std::byte room[4];
        std::array<io::file_handle, 1> files;
        const result<io::received_files> got = co_await far.recv_with_files(room, files);
        EXPECT_TRUE(got.has_value());
        if (!got) co_return;
        EXPECT_EQ(got->files, 1u);
        EXPECT_TRUE(got->lost);
    };
    loop->run(pass());
    EXPECT_EQ(open_files(), before);
}

TEST_P(local, files_need_a_byte_and_a_local_socket) {
    auto pair = local_stream::make_pair(*loop);
    ASSERT_TRUE(pair.has_value());
    auto wrong = [&](const_bytes data, std::size_t count) -> task<errc> {
        const std::vector<io::native_handle> given(count, 0);
        const result<void> sent = co_await pair->first.send_all_with_files(data, given);
        co_return sent ? errc::other : sent.error().code();
    };
    EXPECT_EQ(loop->run(wrong({}, 1)), errc::invalid_argument);
    auto not_open = [&]() -> task<errc> {
        const std::array<io::native_handle, 1> given{9999};
        const result<void> sent = co_await pair->first.send_all_with_files(as_bytes("x"), given);
        co_return sent ? errc::other : sent.error().code();
    };
    EXPECT_EQ(loop->run(not_open()), errc::invalid_argument);
    const result<io::native_handle> tcp = loop->reactor().calls().open_stream(io::address_family::ipv4);
    ASSERT_TRUE(tcp.has_value());
    const io::socket other(*loop, *tcp, io::descriptor_kind::stream);
    EXPECT_DEATH((void)other.send_all_with_files(as_bytes("x"), {}), "local streams");
    EXPECT_EQ(loop->run(wrong(as_bytes("x"), io::passed_files_max + 1)), errc::too_many_files);
}

// The first part of a large message carries the files; the rest follows when there is room.
TEST_P(local, files_go_once_with_much_data) {
    auto pair = local_stream::make_pair(*loop);
    ASSERT_TRUE(pair.has_value());
    constexpr std::size_t size = 2'000'000;
    auto send = [&]() -> task<void> {
        const std::vector<std::byte> data(size, std::byte{7});
        const std::array<io::native_handle, 1> given{0};
        const result<void> sent = co_await pair->first.send_all_with_files(data, given);
        EXPECT_TRUE(sent.has_value());
    };
    auto receive = [&]() -> task<std::size_t> {
        std::vector<std::byte> room(100'000);
        std::size_t bytes_got = 0, files_got = 0;
        while (bytes_got < size) {
            std::array<io::file_handle, 4> files;
            const result<io::received_files> got = co_await pair->second.recv_with_files(room, files);
            if (!got || got->size == 0) break;
            bytes_got += got->size;
            files_got += got->files;
        }
        EXPECT_EQ(files_got, 1u);
        co_return bytes_got;
    };
    auto both = [&]() -> task<std::size_t> {
        counting_scope sender(*loop);
        sender.spawn(send(), "sender");
        const std::size_t got = co_await receive();
        co_await sender.join();
        co_return got;
    };
    EXPECT_EQ(loop->run(both()), size);
}

INSTANTIATE_TEST_SUITE_P(net, local,
                         testing::Values(io::test::backend{io::reactor_kind::epoll, 0},
                                         io::test::backend{io::reactor_kind::uring, 0}),
                         &io::test::name_of_case);

TEST(local_simulated, is_not_supported_and_says_so) {
    io::test::loop_under_test loop(io::test::backend{io::reactor_kind::sim, 1});
    const socket_address where = *socket_address::local_abstract("x");
    EXPECT_EQ(local_listener::bind(*loop, where).error(), errc::not_supported);
    EXPECT_EQ(local_packet_listener::bind(*loop, where).error(), errc::not_supported);
    EXPECT_EQ(local_datagrams::bind(*loop, where).error(), errc::not_supported);
    EXPECT_EQ(local_stream::make_pair(*loop).error(), errc::not_supported);
}

}  // namespace
}  // namespace co_wq::net
