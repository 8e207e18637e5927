// Child processes: what they are given and how they end, on the real kernels.
#include "io/process.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdlib>
#include <optional>
#include <thread>

#include "children.hpp"
#include "sync/deadline.hpp"
#include "task/when.hpp"
#include "task/yield.hpp"

namespace co_wq::io::test {
namespace {

using namespace std::chrono_literals;

class processes : public of_processes {};

TEST_P(processes, end_with_a_code_or_by_a_signal) {
    EXPECT_TRUE(end(spawned(command("true")))->success());
    const process seven = spawned(shell("exit 7"));
    EXPECT_TRUE(end(seven)->exited(7));
    EXPECT_EQ(end(seven)->text(), "exit code 7");  // as often as it is asked
    ASSERT_NE(seven.ended(), nullptr);
    EXPECT_GT(seven.ended()->peak_bytes, 0u);
    const result<exit_status> killed = end(spawned(shell("kill -USR1 $$")));
    EXPECT_TRUE(killed->signalled(SIGUSR1));
    EXPECT_EQ(killed->text(), "signal " + std::to_string(SIGUSR1));
    EXPECT_FALSE(killed->core);
}

TEST_P(processes, have_pipes) {
    command cat("cat");
    cat.input = cat.output = stdio::pipe();
    process child = spawned(cat);
    EXPECT_FALSE(child.errors().is_open());
    EXPECT_EQ(child.ended(), nullptr);
    auto talk = [](process& with) -> task<void> {
        for (const char* word : {"one", "two", "three"}) {
            (void)co_await with.input().send_all(as_bytes(word));
            const std::string answer = co_await read_some(with.output());
            EXPECT_EQ(answer, word);
        }
        with.input().close();
        const std::string rest = co_await read_all(with.output());
        EXPECT_EQ(rest, "");
        const result<exit_status> status = co_await with.wait();
        EXPECT_TRUE(status->success());
    };
    loop->run(talk(child));
}

TEST_P(processes, are_collected_whole) {
    EXPECT_EQ(output(shell("echo out; echo err >&2")), "out\n and err\n");
    EXPECT_EQ(output(command("tr", {"a-z", "A-Z"}), "shout"), "SHOUT");
    command both = shell("echo out; echo err >&2");
    both.errors_to_output = true;
    EXPECT_EQ(output(both), "out\nerr\n");
    EXPECT_TRUE(run(shell("exit 3"))->status.exited(3));
}

// A pipe holds 64 KiB: each of the three would block for ever if the others were not served.
TEST_P(processes, may_fill_all_their_pipes_at_once) {
    std::string text(1'000'000, 'x');
    const command work = shell("tee /proc/self/fd/2");
    const result<finished> got = run(work, text, 2'000'000);
    ASSERT_TRUE(got.has_value());
    EXPECT_TRUE(got->output == text);
    EXPECT_TRUE(got->errors == text);
}

TEST_P(processes, need_not_read_their_input) {
    const result<finished> got = run(shell("exec 0<&-; echo deaf"), std::string(1'000'000, 'x'));
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(got->output, "deaf\n");
    EXPECT_TRUE(got->status.success());
}

TEST_P(processes, that_say_too_much_are_ended) {
    const result<finished> got = run(command("yes"), "", 100'000);
    ASSERT_FALSE(got.has_value());
    EXPECT_EQ(got.error(), errc::limit_exceeded);
    EXPECT_TRUE(loop->run(soon_no_children()));
}

TEST_P(processes, get_arguments_and_environment_as_they_are) {
    command echo("printf", {"%s|", "", "a b", "*", "$HOME", "\xff"});
    EXPECT_EQ(output(echo), "|a b|*|$HOME|\xff|");
    command env("env");
    env.environment = std::vector<std::string>{"A=1", "B=two words"};
    EXPECT_EQ(output(env), "A=1\nB=two words\n");  // looked for in our PATH
    command named = shell("echo $0");
    named.name = "other";
    named.arguments = {"-c", "echo $0"};
    EXPECT_EQ(output(named), "other\n");
    ::setenv("CO_WQ_TEST_VALUE", "inherited", 1);
    EXPECT_EQ(output(shell("echo $CO_WQ_TEST_VALUE")), "inherited\n");
    ::unsetenv("CO_WQ_TEST_VALUE");
}

TEST_P(processes, are_looked_for_in_the_path_they_are_given) {
    char folder[] = "/tmp/co_wq_path_XXXXXX";
    ASSERT_NE(::mkdtemp(folder), nullptr);
    const std::string program = std::string(folder) + "/mine";
    {
        const file_handle file(::open(program.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0755));
        const std::string_view text = "#!/bin/sh\npwd\n";
        ASSERT_EQ(::write(file.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    }
    command mine("mine");
    EXPECT_EQ(output(mine), "not found");
    mine.environment = std::vector<std::string>{"PATH=/nowhere:" + std::string(folder) + ":/usr/bin:/bin"};
    mine.directory = "/usr";
    EXPECT_EQ(output(mine), "/usr\n");
    command below("./mine");
    below.directory = folder;
    EXPECT_EQ(output(below), std::string(folder) + "\n");
    ::unlink(program.c_str());
    ::rmdir(folder);
}

// Whatever is open here, and whoever opened it without O_CLOEXEC.
TEST_P(processes, inherit_no_descriptor) {
    const int stray = ::open("/dev/null", O_RDONLY);
    const int high = ::fcntl(stray, F_DUPFD, 500);
    command list("ls", {"/proc/self/fd"});
    EXPECT_EQ(output(list), "0\n1\n2\n3\n");  // 3: the folder that ls reads
    command sibling("cat");
    sibling.input = sibling.output = stdio::pipe();
    const process first = spawned(sibling);  // its pipes are not in the second
    EXPECT_EQ(output(list), "0\n1\n2\n3\n");
    EXPECT_EQ(::fcntl(stray, F_GETFD), 0);
    ::close(stray);
    ::close(high);
}

TEST_P(processes, get_further_descriptors_at_their_numbers) {
    int one[2], two[2];
    ASSERT_EQ(::pipe2(one, O_CLOEXEC), 0);
    ASSERT_EQ(::pipe2(two, O_CLOEXEC), 0);
    ASSERT_EQ(::write(one[1], "first", 5), 5);
    ASSERT_EQ(::write(two[1], "second", 6), 6);
    ::close(one[1]);
    ::close(two[1]);
    command reads = shell("cat <&7; cat <&8; ls /proc/self/fd | tr '\\n' ' '");
    // each other's place, as far as they can
    const int low = ::fcntl(one[0], F_DUPFD_CLOEXEC, 40), high = ::fcntl(two[0], F_DUPFD_CLOEXEC, 41);
    reads.files = {{7, low}, {8, high}, {high, low}, {low, high}};
    std::string expected = "firstsecond0 1 2 ";
    const std::string got = output(reads);
    EXPECT_EQ(got.substr(0, 11), "firstsecond");
    EXPECT_NE(got.find(' ' + std::to_string(high) + ' '), std::string::npos) << got;
    for (const int number : {one[0], two[0], low, high}) ::close(number);
}

TEST_P(processes, start_with_signals_as_they_are_after_boot) {
    blocked_signals blocked({SIGTERM, SIGUSR1});
    const auto before = std::signal(SIGPIPE, SIG_IGN);
    const auto before_hup = std::signal(SIGHUP, SIG_IGN);
    const std::string seen = output(command("grep", {"^Sig[BI]", "/proc/self/status"}));
    EXPECT_EQ(seen, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
    std::signal(SIGPIPE, before);
    std::signal(SIGHUP, before_hup);
    sigset_t mask;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
    EXPECT_TRUE(sigismember(&mask, SIGTERM));  // ours is as it was
    EXPECT_FALSE(sigismember(&mask, SIGINT));
}

TEST_P(processes, take_files_and_nothing) {
    char name[] = "/tmp/co_wq_child_XXXXXX";
    const file_handle file(::mkstemp(name));
    ASSERT_EQ(::write(file.get(), "content", 7), 7);
    ASSERT_EQ(::lseek(file.get(), 0, SEEK_SET), 0);
    command cat("cat");
    cat.input = stdio::file(file.get());
    cat.output = stdio::pipe();
    process child = spawned(cat);
    EXPECT_EQ(loop->run(read_all(child.output())), "content");
    EXPECT_TRUE(end(child)->success());
    cat.input = stdio::null();
    process empty = spawned(cat);
    EXPECT_EQ(loop->run(read_all(empty.output())), "");
    ::unlink(name);
}

TEST_P(processes, are_killed_by_descriptor) {
    const process child = spawned(command("sleep", {"1000"}));
    EXPECT_TRUE(child.kill(SIGTERM).has_value());
    EXPECT_TRUE(end(child)->signalled(SIGTERM));
    EXPECT_EQ(child.kill(SIGTERM).error(), errc::not_found);
    EXPECT_EQ(child.kill_group(SIGTERM).error(), errc::invalid_argument);  // it had none of its own
    EXPECT_EQ(process().kill().error(), errc::closed);
}

TEST_P(processes, are_killed_with_their_group) {
    command family = shell("sleep 1000 & echo started; wait");
    family.output = stdio::pipe();
    family.belongs_to = command::group::own;
    process child = spawned(family);
    EXPECT_EQ(loop->run(read_some(child.output())), "started\n");
    EXPECT_TRUE(child.kill_group(SIGKILL).has_value());
    EXPECT_EQ(loop->run(read_all(child.output())), "");  // the grandchild had it open, too
    EXPECT_TRUE(end(child)->signalled(SIGKILL));
    EXPECT_EQ(child.kill_group(SIGKILL).error(), errc::not_found);
}

TEST_P(processes, may_have_a_session_of_their_own) {
    command leads = shell("ps -o sid= -p $$ 2>/dev/null || cut -d' ' -f6 /proc/self/stat; echo $$");
    leads.arguments = {"-c", "read a b c d e sid rest < /proc/self/stat; echo $sid $$"};
    leads.belongs_to = command::group::session;
    const std::string seen = output(leads);
    const std::size_t space = seen.find(' ');
    EXPECT_EQ(seen.substr(0, space) + "\n", seen.substr(space + 1));
}

TEST_P(processes, are_waited_for_by_many_and_outlast_a_wait_that_is_cancelled) {
    const process child = spawned(command("sleep", {"1000"}));
    auto run = [](const process& of) -> task<void> {
        auto waiting = end_of(of);
        const result<exit_status> late = co_await with_timeout(1ms, std::move(waiting));
        EXPECT_EQ(late.error(), errc::timed_out);
        auto kills = [](const process& which) -> task<void> {
            for (int i = 0; i < 5; ++i) co_await yield();
            EXPECT_TRUE(which.kill().has_value());
        };
        auto [first, second, none] = co_await when_all(end_of(of), end_of(of), kills(of));
        EXPECT_TRUE(first->signalled(SIGKILL));
        EXPECT_TRUE(second->signalled(SIGKILL));
    };
    loop->run(run(child));
}

TEST_P(processes, by_the_thousand) {
    constexpr int count = 1000, at_once = 50;
    auto one = [](event_loop& here, int number, int& good) -> task<void> {
        const result<process> child = process::spawn(here, shell("exit " + std::to_string(number % 100)));
        if (!child) co_return;
        const result<exit_status> status = co_await child->wait();
        if (status && status->exited(number % 100)) ++good;
    };
    auto all = [&one](event_loop& here) {
        return [](event_loop& in, auto start) -> task<int> {
            int good = 0;
            for (int begin = 0; begin < count; begin += at_once) {
                counting_scope scope(in);
                for (int i = begin; i < begin + at_once; ++i) scope.spawn(start(in, i, good));
                co_await scope.join();
            }
            co_return good;
        }(here, one);
    };
    EXPECT_EQ(loop->run(all(*loop)), count);
    EXPECT_TRUE(no_children());
}

TEST_P(processes, are_started_beside_other_threads) {
    std::vector<std::thread> threads;
    std::atomic<int> good = 0;
    for (int t = 0; t < 3; ++t)
        threads.emplace_back([&] {
            loop_under_test own(GetParam());
            for (int i = 0; i < 30; ++i) {
                const result<finished> got = own->run(run_command(*own, command("cat"), "text"));
                if (got && got->output == "text" && got->status.success()) ++good;
            }
        });
    for (std::thread& one : threads) one.join();
    EXPECT_EQ(good, 90);
}

INSTANTIATE_TEST_SUITE_P(kernels, processes, both_kernels, name_of_case);

TEST(simulated, there_are_no_processes) {
    loop_under_test loop(backend{reactor_kind::sim, 1});
    EXPECT_EQ(process::spawn(*loop, command("true")).error(), errc::not_supported);
}

}  // namespace
}  // namespace co_wq::io::test
