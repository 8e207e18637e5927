// Pipes, and what a process was given as standard input and output, on the real kernels.
#include "io/pipe.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <optional>
#include <vector>

#include "io/reactors.hpp"
#include "support/refusing_system.hpp"
#include "sync/deadline.hpp"
#include "task/scope.hpp"
#include "task/when.hpp"
#include "task/yield.hpp"

namespace co_wq::io::test {
namespace {

using namespace std::chrono_literals;

class pipes : public testing::TestWithParam<backend> {
protected:
    pipes() : loop(GetParam()) {}
    pipe opened(std::size_t capacity = 0) {
        result<pipe> made = pipe::open(*loop, capacity);
        EXPECT_TRUE(made.has_value());
        return std::move(*made);
    }
    loop_under_test loop;
};

task<std::string> read_all(const pipe_reader& from) {
    std::string text;
    for (;;) {
        const result<lease> got = co_await from.recv_lease(4096);
        if (!got) co_return text + " then " + got.error().message();
        if (got->empty()) co_return text;
        text += as_text(got->data());
    }
}

task<result<void>> write_and_close(pipe_writer to, std::string text) {
    const result<void> sent = co_await to.send_all(as_bytes(text));
    to.close();
    co_return sent;
}

task<std::string> read_once(const pipe_reader& from) {
    std::byte room[64];
    const result<std::size_t> got = co_await from.recv(room);
    if (!got) co_return got.error().message();
    co_return std::string(as_text(const_bytes(room).first(*got)));
}

task<std::string> send_once(const pipe_writer& to, std::size_t size = 1) {
    const std::vector<std::byte> data(size);
    const result<void> sent = co_await to.send_all(data);
    co_return sent ? "sent" : sent.error().message();
}

TEST_P(pipes, carry_bytes_and_end) {
    pipe both = opened();
    std::string text(3'000'000, '\0');
    for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i % 251);
    auto run = [](pipe on, const std::string& expected) -> task<void> {
        auto [got, sent] = co_await when_all(read_all(on.reader), write_and_close(std::move(on.writer), expected));
        EXPECT_TRUE(sent.has_value());
        EXPECT_TRUE(got == expected);
    };
    loop->run(run(std::move(both), text));
}

TEST_P(pipes, parts_go_in_order) {
    pipe both = opened();
    auto run = [](pipe& on) -> task<void> {
        const std::array<const_bytes, 3> parts{as_bytes("one "), as_bytes(""), as_bytes("two")};
        const result<void> sent = co_await on.writer.send_all(parts);
        EXPECT_TRUE(sent.has_value());
        on.writer.close();
        const std::string got = co_await read_all(on.reader);
        EXPECT_EQ(got, "one two");
    };
    loop->run(run(both));
}

// SIGPIPE would end the test.
TEST_P(pipes, nobody_reads_is_an_error_and_no_signal) {
    std::signal(SIGPIPE, SIG_DFL);
    pipe both = opened();
    both.reader.close();
    EXPECT_EQ(loop->run(send_once(both.writer)), "broken pipe");
    EXPECT_EQ(loop->run(send_once(both.writer, 100'000)), "broken pipe");
    auto parts = [](const pipe_writer& to) -> task<bool> {
        const std::array<const_bytes, 3> data{as_bytes("a"), as_bytes("b"), as_bytes("c")};
        const result<void> sent = co_await to.send_all(data);
        co_return !sent && sent.error() == errc::broken_pipe;
    };
    EXPECT_TRUE(loop->run(parts(both.writer)));
    sigset_t pending;
    sigpending(&pending);
    EXPECT_EQ(sigismember(&pending, SIGPIPE), 0);
}

// Kernels before 6.18 have no flag for it.
TEST_P(pipes, the_signal_is_avoided_without_the_kernels_help) {
    const pid_t child = ::fork();
    if (child == 0) {
        std::signal(SIGPIPE, SIG_DFL);
        co_wq::test::refuse_call(SYS_pwritev2, EOPNOTSUPP);
        loop_under_test own(GetParam());
        result<pipe> both = pipe::open(*own);
        if (!both) ::_exit(1);
        if (own->run(send_once(both->writer)) != "sent") ::_exit(2);
        both->reader.close();
        for (int i = 0; i < 3; ++i)
            if (own->run(send_once(both->writer)) != "broken pipe") ::_exit(3);
        // one that is somebody else's stays
        sigset_t only;
        sigemptyset(&only);
        sigaddset(&only, SIGPIPE);
        ::pthread_sigmask(SIG_BLOCK, &only, nullptr);
        ::raise(SIGPIPE);
        if (own->run(send_once(both->writer)) != "broken pipe") ::_exit(4);
        const timespec at_once{};
        ::_exit(::sigtimedwait(&only, nullptr, &at_once) == SIGPIPE ? 0 : 5);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

TEST_P(pipes, a_writer_learns_that_nobody_reads) {
    pipe both = opened();
    auto run = [](pipe& on) -> task<void> {
        auto waits = [](const pipe_writer& writer) -> task<bool> {
            const result<void> seen = co_await writer.unread();
            co_return seen.has_value();
        };
        auto closes = [](pipe_reader& reader) -> task<void> {
            for (int i = 0; i < 5; ++i) co_await yield();
            reader.close();
        };
        auto [seen, closed] = co_await when_all(waits(on.writer), closes(on.reader));
        EXPECT_TRUE(seen);
    };
    loop->run(run(both));
}

TEST_P(pipes, closing_or_destroying_an_end_ends_what_waits_on_it) {
    auto run = [](event_loop& here, bool reads, bool destroys) -> task<void> {
        std::optional<pipe> on(*pipe::open(here));
        std::string outcome;
        auto waits = [](pipe& of, bool reading, std::string& into) -> task<void> {
            if (reading) {
                into = co_await read_once(of.reader);
            } else {
                into = co_await send_once(of.writer, 1'000'000);
            }
        };
        counting_scope scope(here);
        if (reads) scope.spawn(waits(*on, true, outcome));
        if (!reads) scope.spawn(waits(*on, false, outcome));
        for (int i = 0; i < 5; ++i) co_await yield();
        EXPECT_EQ(outcome, "");
        if (destroys) {
            on.reset();
        } else if (reads) {
            on->reader.close();
        } else {
            on->writer.close();
        }
        co_await scope.join();
        EXPECT_EQ(outcome, "closed");
    };
    for (const bool reads : {true, false})
        for (const bool destroys : {true, false}) loop->run(run(*loop, reads, destroys));
}

TEST_P(pipes, a_read_that_timed_out_takes_nothing) {
    pipe both = opened();
    EXPECT_EQ(loop->run([](const pipe_reader& from) -> task<std::string> {
        auto reading = read_once(from);
        std::string got = co_await with_timeout(1ms, std::move(reading));
        co_return got;
    }(both.reader)),
              "timed out");
    EXPECT_EQ(loop->run(send_once(both.writer, 3)), "sent");
    EXPECT_EQ(loop->run(read_once(both.reader)), std::string(3, '\0'));
}

TEST_P(pipes, have_a_capacity) {
    pipe both = opened(8192);
    EXPECT_EQ(both.writer.capacity().value(), 8192u);
    EXPECT_EQ(both.reader.capacity().value(), 8192u);
    EXPECT_EQ(both.writer.set_capacity(20'000).value(), 32'768u);
    EXPECT_EQ(both.writer.set_capacity(std::size_t{1} << 40).error(), errc::invalid_argument);
}

TEST_P(pipes, are_not_inherited) {
    pipe both = opened();
    EXPECT_TRUE(::fcntl(both.reader.handle(), F_GETFD) & FD_CLOEXEC);
    EXPECT_TRUE(::fcntl(both.writer.handle(), F_GETFD) & FD_CLOEXEC);
}

TEST_P(pipes, without_a_descriptor_are_refused) {
    event_loop& here = *loop;
    EXPECT_TRUE(pipe::open(here).has_value());  // a sanitizer needs descriptors for what it has not seen before
    for (unsigned room = 0; room < 2; ++room) {
        const co_wq::test::few_files few(room);
        EXPECT_EQ(pipe::open(here).error(), errc::too_many_files);
    }
}

// ---- taken over

file_handle opened_file(const char* path, int flags) { return file_handle(::open(path, flags | O_CLOEXEC, 0600)); }

TEST_P(pipes, of_others_are_adopted_in_their_direction_only) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const result<pipe_writer> wrong = pipe_writer::adopt(*loop, file_handle(::dup(ends[0])));
    EXPECT_EQ(wrong.error(), errc::invalid_argument);
    EXPECT_EQ(::fcntl(ends[0], F_GETFL) & O_NONBLOCK, 0);  // refused before anything was changed
    const result<pipe_reader> reader = pipe_reader::adopt(*loop, file_handle(ends[0]));
    ASSERT_TRUE(reader.has_value());
    result<pipe_writer> writer = pipe_writer::adopt(*loop, file_handle(ends[1]));
    ASSERT_TRUE(writer.has_value());
    EXPECT_EQ(loop->run(send_once(*writer, 2)), "sent");
    writer->close();
    EXPECT_EQ(loop->run(read_all(*reader)), std::string(2, '\0'));
    EXPECT_FALSE(pipe_reader::adopt(*loop, opened_file("/", O_RDONLY | O_DIRECTORY)).has_value());
    EXPECT_EQ(pipe_reader::adopt(*loop, file_handle()).error(), errc::closed);
}

TEST_P(pipes, that_are_shared_keep_their_mode) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    {
        const result<pipe_reader> reader = pipe_reader::share(*loop, ends[0]);
        ASSERT_TRUE(reader.has_value());
        const result<pipe_writer> writer = pipe_writer::share(*loop, ends[1]);
        ASSERT_TRUE(writer.has_value());
        EXPECT_EQ(loop->run(send_once(*writer, 2)), "sent");
        EXPECT_EQ(loop->run(read_once(*reader)), std::string(2, '\0'));
        auto empty = [](const pipe_reader& from) -> task<std::string> {
            auto reading = read_once(from);
            std::string got = co_await with_timeout(1ms, std::move(reading));
            co_return got;
        };
        EXPECT_EQ(loop->run(empty(*reader)), "timed out");
        EXPECT_EQ(::fcntl(ends[0], F_GETFL) & O_NONBLOCK, 0);
        EXPECT_EQ(::fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
    }
    EXPECT_EQ(::fcntl(ends[0], F_GETFL) & O_NONBLOCK, 0);
    EXPECT_EQ(::write(ends[1], "x", 1), 1);  // both are open still
    ::close(ends[0]);
    const result<pipe_writer> unread = pipe_writer::share(*loop, ends[1]);
    ASSERT_TRUE(unread.has_value());
    auto until_unread =
        [](const pipe_writer& to) -> task<std::string> {  // a ring closes a reader that it watched later
        std::string outcome = "sent";
        for (int i = 0; i < 5000 && outcome == "sent"; ++i) {
            (void)co_await sleep_for(1ms);
            outcome = co_await send_once(to);
        }
        co_return outcome;
    };
    EXPECT_EQ(loop->run(until_unread(*unread)), "broken pipe");
    ::close(ends[1]);
}

TEST_P(pipes, may_be_sockets) {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    const result<pipe_reader> reader = pipe_reader::share(*loop, ends[0]);
    ASSERT_TRUE(reader.has_value());
    const result<pipe_writer> writer = pipe_writer::share(*loop, ends[1]);
    ASSERT_TRUE(writer.has_value());
    auto run = [](const pipe_reader& from, const pipe_writer& to) -> task<void> {
        auto [got, sent] = co_await when_all(read_once(from), send_once(to, 5));
        EXPECT_EQ(got.size(), 5u);
        EXPECT_EQ(sent, "sent");
        auto waiting = read_once(from);
        const std::string none = co_await with_timeout(1ms, std::move(waiting));
        EXPECT_EQ(none, "timed out");
    };
    loop->run(run(*reader, *writer));
    // more than fits in: the writer waits instead of the thread
    auto flood = [](const pipe_writer& to) -> task<void> {
        auto sending = send_once(to, 4'000'000);
        const std::string outcome = co_await with_timeout(1ms, std::move(sending));
        EXPECT_EQ(outcome, "timed out");
    };
    loop->run(flood(*writer));
    EXPECT_EQ(::fcntl(ends[0], F_GETFL) & O_NONBLOCK, 0);
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST_P(pipes, may_be_files) {
    char name[] = "/tmp/co_wq_pipe_XXXXXX";
    const file_handle file(::mkstemp(name));
    {
        const result<pipe_writer> writer = pipe_writer::share(*loop, file.get());
        ASSERT_TRUE(writer.has_value());
        // often enough that its turn to wait comes though it is always ready
        auto many = [](const pipe_writer& to) -> task<void> {
            for (int i = 0; i < 5000; ++i) {
                const std::string outcome = co_await send_once(to, 3);
                if (outcome != "sent") ADD_FAILURE() << outcome;
            }
            const result<void> ready = co_await to.ready();
            EXPECT_TRUE(ready.has_value());
        };
        loop->run(many(*writer));
    }
    ASSERT_EQ(::lseek(file.get(), 0, SEEK_SET), 0);
    const result<pipe_reader> reader = pipe_reader::share(*loop, file.get());
    ASSERT_TRUE(reader.has_value());
    EXPECT_EQ(loop->run(read_all(*reader)).size(), 15'000u);
    ::unlink(name);
}

TEST_P(pipes, may_be_the_null_device) {
    const file_handle null = opened_file("/dev/null", O_RDWR);
    const result<pipe_reader> reader = pipe_reader::share(*loop, null.get());
    const result<pipe_writer> writer = pipe_writer::share(*loop, null.get());
    ASSERT_TRUE(reader.has_value() && writer.has_value());
    EXPECT_EQ(loop->run(read_all(*reader)), "");
    for (int i = 0; i < 3000; ++i) EXPECT_EQ(loop->run(send_once(*writer, 100'000)), "sent");
}

// There is no such event for files; the loop must not spin in search of it.
TEST_P(pipes, that_are_files_are_never_unread) {
    char name[] = "/tmp/co_wq_pipe_XXXXXX";
    const file_handle file(::mkstemp(name));
    ::unlink(name);
    const file_handle null = opened_file("/dev/null", O_RDWR);
    for (const native_handle which : {file.get(), null.get()}) {
        const result<pipe_writer> writer = pipe_writer::share(*loop, which);
        ASSERT_TRUE(writer.has_value());
        auto waits = [](const pipe_writer& on) -> task<errc> {
            const result<void> seen = co_await on.unread();
            co_return seen ? errc::other : seen.error().code();
        };
        auto limited = [](task<errc> waiting) -> task<errc> {
            const errc outcome = co_await with_timeout(20ms, std::move(waiting));
            co_return outcome;
        };
        const std::uint64_t before = loop->turns();
        EXPECT_EQ(loop->run(limited(waits(*writer))), errc::timed_out);
        EXPECT_LT(loop->turns() - before, 50u);
    }
}

TEST_P(pipes, may_be_fifos) {
    char folder[] = "/tmp/co_wq_fifo_XXXXXX";
    ASSERT_NE(::mkdtemp(folder), nullptr);
    const std::string path = std::string(folder) + "/fifo";
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    const result<pipe_reader> reader = pipe_reader::adopt(*loop, opened_file(path.c_str(), O_RDONLY | O_NONBLOCK));
    const result<pipe_writer> writer = pipe_writer::adopt(*loop, opened_file(path.c_str(), O_WRONLY));
    ASSERT_TRUE(reader.has_value() && writer.has_value());
    EXPECT_EQ(loop->run(send_once(*writer, 4)), "sent");
    EXPECT_EQ(loop->run(read_once(*reader)).size(), 4u);
    const file_handle unread = opened_file(path.c_str(), O_RDWR);  // neither end is missed by this one
    EXPECT_TRUE(pipe_writer::share(*loop, unread.get()).has_value());
    ::unlink(path.c_str());
    ::rmdir(folder);
}

INSTANTIATE_TEST_SUITE_P(kernels, pipes,
                         testing::Values(backend{reactor_kind::epoll, 0}, backend{reactor_kind::uring, 0}),
                         name_of_case);

TEST(simulated, there_are_no_pipes) {
    loop_under_test loop(backend{reactor_kind::sim, 1});
    EXPECT_EQ(pipe::open(*loop).error(), errc::not_supported);
    EXPECT_EQ(pipe_reader::share(*loop, 0).error(), errc::not_supported);
    EXPECT_EQ(pipe_writer::adopt(*loop, opened_file("/dev/null", O_WRONLY)).error(), errc::not_supported);
}

}  // namespace
}  // namespace co_wq::io::test
