// Terminals and serial lines, on pseudo terminals and the real kernels.
#include "io/terminal.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <optional>

#include "io/reactors.hpp"
#include "sync/deadline.hpp"
#include "task/scope.hpp"
#include "task/yield.hpp"

namespace co_wq::io::test {
namespace {

using namespace std::chrono_literals;

class terminals : public testing::TestWithParam<backend> {
protected:
    terminals() : loop(GetParam()) {
        file_handle far(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
        EXPECT_EQ(::grantpt(far.get()), 0);
        EXPECT_EQ(::unlockpt(far.get()), 0);
        char name[64];
        EXPECT_EQ(::ptsname_r(far.get(), name, sizeof name), 0);
        path = name;
        keep_ = file_handle(::open(name, O_RDWR | O_NOCTTY | O_CLOEXEC));
        result<terminal> made = terminal::adopt(*loop, std::move(far));
        EXPECT_TRUE(made.has_value());
        master = std::move(*made);
    }
    terminal opened() {
        result<terminal> made = terminal::open(*loop, path);
        EXPECT_TRUE(made.has_value());
        return std::move(*made);
    }
    // As the C library sees the settings.
    termios settings() const {
        termios got{};
        EXPECT_EQ(::tcgetattr(keep_.get(), &got), 0);
        return got;
    }
    // The only other one who has it open goes.
    void let_go() { keep_.reset(); }
    native_handle kept() const { return keep_.get(); }

    std::string read(const terminal& from) {
        auto one = [](const terminal& source) -> task<std::string> {
            std::byte room[256];
            const result<std::size_t> got = co_await source.recv(room);
            if (!got) co_return got.error().message();
            co_return std::string(as_text(const_bytes(room).first(*got)));
        };
        auto limited = [](task<std::string> reading) -> task<std::string> {
            std::string got = co_await with_timeout(200ms, std::move(reading));
            co_return got;
        };
        return loop->run(limited(one(from)));
    }
    std::string write(const terminal& to, std::string_view text) {
        auto one = [](const terminal& target, std::string_view data) -> task<std::string> {
            const result<void> sent = co_await target.send_all(as_bytes(data));
            co_return sent ? "sent" : sent.error().message();
        };
        return loop->run(one(to, text));
    }

    loop_under_test loop;
    std::string path;
    terminal master;

private:
    file_handle keep_;
};

TEST_P(terminals, give_lines_and_their_end) {
    const terminal line = opened();
    EXPECT_EQ(write(master, "half"), "sent");
    EXPECT_EQ(read(line), "timed out");
    EXPECT_EQ(write(master, " a line\nnext\n"), "sent");
    EXPECT_EQ(read(line), "half a line\n");
    EXPECT_EQ(read(line), "next\n");
    EXPECT_EQ(write(master, "\x04"), "sent");  // Ctrl-D
    EXPECT_EQ(read(line), "");
    EXPECT_EQ(read(master).substr(0, 4), "half");  // the echo
}

TEST_P(terminals, give_bytes_when_they_are_raw) {
    terminal line = opened();
    EXPECT_TRUE(line.make_raw().has_value());
    const std::string text("a\r\n\x03\x04\x11\xff\0b", 9);
    EXPECT_EQ(write(master, text), "sent");
    EXPECT_EQ(read(line), text);
    EXPECT_EQ(write(line, text), "sent");
    EXPECT_EQ(read(master), text);
    EXPECT_EQ(read(line), "timed out");  // none is not the end
}

TEST_P(terminals, are_left_as_they_were) {
    const termios before = settings();
    {
        terminal line = opened();
        EXPECT_TRUE(line.make_raw().has_value());
        EXPECT_TRUE(line.set_echo(true).has_value());
        EXPECT_EQ(settings().c_lflag & (ICANON | ECHO), static_cast<tcflag_t>(ECHO));
        const terminal moved = std::move(line);
        EXPECT_FALSE(line.is_open());
        EXPECT_FALSE(settings().c_lflag & ICANON);
    }
    const termios after = settings();
    EXPECT_EQ(std::memcmp(&before, &after, sizeof before), 0);
    terminal line = opened();
    EXPECT_TRUE(line.set_echo(false).has_value());
    EXPECT_TRUE(line.restore().has_value());
    EXPECT_TRUE(settings().c_lflag & ECHO);
}

TEST_P(terminals, that_are_shared_keep_their_modes_as_files) {
    const int before = ::fcntl(kept(), F_GETFL);
    {
        result<terminal> line = terminal::share(*loop, kept());
        ASSERT_TRUE(line.has_value());
        EXPECT_TRUE(line->make_raw().has_value());
        EXPECT_EQ(read(*line), "timed out");
        EXPECT_EQ(write(*line, "x"), "sent");
        const result<pipe_writer> writer = pipe_writer::share(*loop, kept());
        ASSERT_TRUE(writer.has_value());
        EXPECT_EQ(::fcntl(kept(), F_GETFL), before);
    }
    EXPECT_EQ(::fcntl(kept(), F_GETFL), before);
    EXPECT_TRUE(settings().c_lflag & ICANON);
}

TEST_P(terminals, are_not_made_by_sharing_a_master) {
    EXPECT_EQ(terminal::share(*loop, master.handle()).error(), errc::not_supported);
}

TEST_P(terminals, say_when_they_are_hung_up) {
    const terminal line = opened();
    let_go();
    master.close();
    auto until_over = [](const terminal& of) -> task<std::string> {  // a ring closes what it watched a little later
        std::string outcome = "sent";
        for (int i = 0; i < 5000 && outcome == "sent"; ++i) {
            (void)co_await sleep_for(1ms);
            const result<void> sent = co_await of.send_all(as_bytes("x"));
            outcome = sent ? "sent" : sent.error().message();
        }
        co_return outcome;
    };
    EXPECT_EQ(loop->run(until_over(line)), "connection reset");
    EXPECT_EQ(read(line), "connection reset");
    EXPECT_EQ(line.size().error(), errc::connection_reset);
}

TEST_P(terminals, tell_the_master_that_nobody_is_left) {
    auto run = [](const terminal& from, std::string& outcome) -> task<void> {
        std::byte room[16];
        const result<std::size_t> got = co_await from.recv(room);
        outcome = got ? "bytes" : got.error().message();
    };
    std::string outcome;
    counting_scope scope(*loop);
    scope.spawn(run(master, outcome));
    loop->run([]() -> task<void> {
        for (int i = 0; i < 5; ++i) co_await yield();
    }());
    EXPECT_EQ(outcome, "");
    let_go();
    loop->run([](counting_scope& all) -> task<void> { co_await all.join(); }(scope));
    EXPECT_EQ(outcome, "connection reset");
}

TEST_P(terminals, make_the_sender_wait_when_nobody_reads) {
    terminal line = opened();
    EXPECT_TRUE(line.make_raw().has_value());
    auto flood = [](const terminal& to) -> task<std::string> {
        const std::vector<std::byte> data(200'000);
        const result<void> sent = co_await to.send_all(data);
        co_return sent ? "sent" : sent.error().message();
    };
    auto limited = [](task<std::string> work) -> task<std::string> {
        std::string got = co_await with_timeout(20ms, std::move(work));
        co_return got;
    };
    EXPECT_EQ(loop->run(limited(flood(line))), "timed out");
    EXPECT_TRUE(line.discard(false, true).has_value());
    auto both = [](const terminal& from, const terminal& to, task<std::string> sending) -> task<std::size_t> {
        counting_scope scope(from.is_open() ? event_loop::current() : event_loop::current());
        std::size_t got = 0;
        auto reads = [](const terminal& source, std::size_t& count) -> task<void> {
            for (;;) {
                const result<lease> some = co_await source.recv_lease(4096);
                if (!some || some->empty()) co_return;
                count += some->size();
            }
        };
        scope.spawn(reads(from, got));
        const std::string outcome = co_await std::move(sending);
        EXPECT_EQ(outcome, "sent");
        const result<void> drained = co_await to.drained();
        EXPECT_TRUE(drained.has_value());
        for (int i = 0; i < 2000 && got < 200'000; ++i) (void)co_await sleep_for(1ms);
        scope.request_stop();
        co_await scope.join();
        co_return got;
    };
    EXPECT_GE(loop->run(both(master, line, flood(line))), 200'000u);
}

TEST_P(terminals, end_what_waits_when_they_are_closed) {
    auto run = [](event_loop& here, const std::string& name, bool destroys) -> task<void> {
        std::optional<terminal> on(*terminal::open(here, name));
        std::string outcome, pause = "not ended";
        auto waits = [](const terminal& from, std::string& into) -> task<void> {
            const result<lease> got = co_await from.recv_lease(64);
            into = got ? "bytes" : got.error().message();
        };
        auto breaks = [](const terminal& of, std::string& into) -> task<void> {
            const result<void> done = co_await of.send_break(1ms);
            into = done ? "ok" : done.error().message();
        };
        counting_scope scope(here);
        scope.spawn(waits(*on, outcome));
        scope.spawn(breaks(*on, pause));
        for (int i = 0; i < 5; ++i) co_await yield();
        if (destroys) {
            on.reset();
        } else {
            on->close();
        }
        co_await scope.join();
        EXPECT_EQ(outcome, "closed");
        EXPECT_EQ(pause, "ok");  // it has a descriptor of its own
    };
    for (const bool destroys : {true, false}) loop->run(run(*loop, path, destroys));
}

TEST_P(terminals, have_a_size) {
    EXPECT_TRUE(master.set_size({.rows = 40, .columns = 132}).has_value());
    const terminal line = opened();
    const result<window_size> got = line.size();
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(got->rows, 40);
    EXPECT_EQ(got->columns, 132);
}

TEST_P(terminals, are_configured_as_lines) {
    terminal line = opened();
    EXPECT_TRUE(line.configure({.baud = 250'000, .stop_bits = 2, .flow = flow_control::software}).has_value());
    const result<line_settings> got = line.settings();
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(got->baud, 250'000u);
    EXPECT_EQ(got->stop_bits, 2);
    EXPECT_EQ(got->flow, flow_control::software);
    EXPECT_EQ(got->parity, parity::none);
    // pseudo terminals have eight bits and no parity, whatever is asked
    EXPECT_EQ(line.configure({.data_bits = 7, .parity = parity::even}).error(), errc::not_supported);
    EXPECT_EQ(line.configure({.data_bits = 9}).error(), errc::invalid_argument);
    EXPECT_EQ(line.configure({.stop_bits = 3}).error(), errc::invalid_argument);
    EXPECT_EQ(line.configure({.baud = 0}).error(), errc::invalid_argument);
    EXPECT_EQ(line.lines().error(), errc::not_supported);  // no modem
    EXPECT_EQ(line.set_lines(true, true).error(), errc::not_supported);
}

TEST_P(terminals, are_serial_ports) {
    const termios before = settings();
    {
        const result<serial_port> port = serial_port::open(*loop, path, {.baud = 9600});
        ASSERT_TRUE(port.has_value()) << port.error().message();
        EXPECT_EQ(write(*port, "AT\r"), "sent");
        EXPECT_EQ(read(master), "AT\r");
        EXPECT_EQ(write(master, "OK\r\n"), "sent");
        EXPECT_EQ(read(*port), "OK\r\n");
        (void)port->set_exclusive(false);
    }
    const termios after = settings();
    EXPECT_EQ(std::memcmp(&before, &after, sizeof before), 0);
    EXPECT_EQ(serial_port::open(*loop, path, {.parity = parity::odd}).error(), errc::not_supported);
}

TEST_P(terminals, are_nothing_else) {
    EXPECT_EQ(terminal::open(*loop, "/dev/null").error(), errc::not_supported);
    EXPECT_EQ(terminal::open(*loop, "/no/such").error(), errc::not_found);
    EXPECT_EQ(terminal::adopt(*loop, file_handle()).error(), errc::closed);
    EXPECT_EQ(terminal().size().error(), errc::closed);
    EXPECT_EQ(terminal().make_raw().error(), errc::closed);
    EXPECT_EQ(loop->run(terminal().send_break()).error(), errc::closed);
    EXPECT_EQ(loop->run(terminal().drained()).error(), errc::closed);
}

INSTANTIATE_TEST_SUITE_P(kernels, terminals,
                         testing::Values(backend{reactor_kind::epoll, 0}, backend{reactor_kind::uring, 0}),
                         name_of_case);

TEST(simulated, there_are_no_terminals) {
    loop_under_test loop(backend{reactor_kind::sim, 1});
    EXPECT_EQ(terminal::open(*loop, "/dev/tty").error(), errc::not_supported);
}

}  // namespace
}  // namespace co_wq::io::test
