// Child processes that cannot be started, do not want to end, or whose owner is gone.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <climits>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

#include "children.hpp"
#include "support/refusing_system.hpp"
#include "sync/deadline.hpp"
#include "task/scope.hpp"
#include "task/yield.hpp"

namespace co_wq::io::test {
namespace {

using namespace std::chrono_literals;

std::size_t open_files() {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& one : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
    return count;
}

class bad_processes : public of_processes {
protected:
    bad_processes() {
        char name[] = "/tmp/co_wq_bad_XXXXXX";
        folder_ = ::mkdtemp(name);
    }
    ~bad_processes() override { std::filesystem::remove_all(folder_); }
    std::string made_file(const char* name, std::string_view text, mode_t mode) {
        const std::string path = folder_ + "/" + name;
        std::ofstream(path) << text;
        ::chmod(path.c_str(), mode);
        return path;
    }
    error refusal(const command& what, spawn_step step) {
        const std::size_t files = open_files();
        const result<process> made = process::spawn(*loop, what);
        EXPECT_FALSE(made.has_value());
        if (made) return errc::other;
        EXPECT_EQ(failed_step(), step) << name_of(failed_step());
        EXPECT_TRUE(no_children());
        EXPECT_EQ(open_files(), files);
        return made.error();
    }
    const std::string& folder() const { return folder_; }

private:
    std::string folder_;
};

command with_pipes(command what) {
    what.input = what.output = what.error = stdio::pipe();
    return what;
}

TEST_P(bad_processes, that_cannot_be_executed_are_errors_of_spawn) {
    EXPECT_EQ(refusal(with_pipes(command("/no/such/program")), spawn_step::exec), errc::not_found);
    EXPECT_EQ(refusal(with_pipes(command("co_wq_no_such_program")), spawn_step::exec), errc::not_found);
    EXPECT_EQ(refusal(command(made_file("data", "text", 0644)), spawn_step::exec), errc::permission_denied);
    EXPECT_EQ(refusal(command(folder()), spawn_step::exec), errc::permission_denied);
    // no shell is tried
    EXPECT_EQ(refusal(command(made_file("script", "echo hello\n", 0755)), spawn_step::exec).os_code(), ENOEXEC);
    EXPECT_EQ(refusal(command(made_file("lost", "#!/no/interpreter\n", 0755)), spawn_step::exec), errc::not_found);
    EXPECT_EQ(refusal(command("true", {std::string(3'000'000, 'x')}), spawn_step::exec).os_code(), E2BIG);
}

TEST_P(bad_processes, without_their_folder_are_errors_of_spawn) {
    command lost("true");
    lost.directory = folder() + "/none";
    EXPECT_EQ(refusal(lost, spawn_step::directory), errc::not_found);
    lost.directory = made_file("file", "", 0644);
    EXPECT_EQ(refusal(lost, spawn_step::directory).os_code(), ENOTDIR);
}

TEST_P(bad_processes, that_cannot_be_said_are_refused) {
    using namespace std::string_literals;
    EXPECT_EQ(refusal(command(""), spawn_step::prepare), errc::invalid_argument);
    EXPECT_EQ(refusal(command("tr\0ue"s), spawn_step::prepare), errc::invalid_argument);
    EXPECT_EQ(refusal(command("true", {"a\0b"s}), spawn_step::prepare), errc::invalid_argument);
    command odd("true");
    odd.files = {{2, 0}};
    EXPECT_EQ(refusal(odd, spawn_step::prepare), errc::invalid_argument);
    odd.files = {{5, -1}};
    EXPECT_EQ(refusal(odd, spawn_step::prepare), errc::invalid_argument);
    odd.files = {{INT_MAX, 0}};
    EXPECT_EQ(refusal(odd, spawn_step::prepare), errc::invalid_argument);
    odd.files = {{5, 3000}};
    EXPECT_EQ(refusal(odd, spawn_step::files), errc::closed);
    odd.files = {};
    odd.environment = std::vector<std::string>{"A\0=1"s};
    EXPECT_EQ(refusal(odd, spawn_step::prepare), errc::invalid_argument);
}

TEST_P(bad_processes, without_descriptors_leave_nothing_behind) {
    event_loop& here = *loop;
    (void)process::spawn(here, with_pipes(command("true")));  // a sanitizer needs descriptors for what it has not seen
    for (unsigned room = 0;; ++room) {
        ASSERT_LT(room, 40u);
        const co_wq::test::few_files few(room);
        const result<process> made = process::spawn(here, with_pipes(command("true")));
        if (made) break;
        EXPECT_EQ(made.error(), errc::too_many_files) << room << " " << name_of(failed_step());
    }
    EXPECT_TRUE(loop->run(soon_no_children()));
}

// Each in a process of its own: a filter is for ever.
int in_filtered(backend on, long call, int failure, errc expected, spawn_step step) {
    const pid_t child = ::fork();
    if (child == 0) {
        loop_under_test own(on);
        co_wq::test::refuse_call(call, failure);
        const result<process> made = process::spawn(*own, with_pipes(command("true")));
        if (made) ::_exit(1);
        if (made.error() != expected) ::_exit(2);
        ::_exit(failed_step() == step && no_children() ? 0 : 3);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
}

TEST_P(bad_processes, that_the_system_refuses_are_told) {
    EXPECT_EQ(in_filtered(GetParam(), SYS_clone, EAGAIN, errc::no_buffers, spawn_step::fork), 0);
    EXPECT_EQ(in_filtered(GetParam(), SYS_clone, ENOMEM, errc::out_of_memory, spawn_step::fork), 0);
    EXPECT_EQ(in_filtered(GetParam(), SYS_pidfd_open, ENOSYS, errc::not_supported, spawn_step::prepare), 0);
    EXPECT_EQ(in_filtered(GetParam(), SYS_waitid, EINVAL, errc::not_supported, spawn_step::prepare), 0);
    EXPECT_EQ(in_filtered(GetParam(), SYS_pipe2, EMFILE, errc::too_many_files, spawn_step::files), 0);
    EXPECT_EQ(in_filtered(GetParam(), SYS_dup3, EMFILE, errc::too_many_files, spawn_step::files), 0);
}

// Before Linux 5.11.
TEST_P(bad_processes, inherit_nothing_without_close_range) {
    const pid_t child = ::fork();
    if (child == 0) {
        const int stray = ::open("/dev/null", O_RDONLY);
        loop_under_test own(GetParam());
        // beyond the limit of now
        rlimit limit{};
        ::getrlimit(RLIMIT_NOFILE, &limit);
        if (::dup2(stray, 900) != 900) ::_exit(2);
        limit.rlim_cur = 256;
        if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) ::_exit(3);
        co_wq::test::refuse_call(SYS_close_range, EINVAL);
        const result<finished> got = own->run(run_command(*own, command("ls", {"/proc/self/fd"})));
        ::_exit(stray >= 3 && got && got->output == "0\n1\n2\n3\n" ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

TEST_P(bad_processes, of_a_parent_without_standard_files_start_all_the_same) {
    const pid_t child = ::fork();
    if (child == 0) {
        loop_under_test own(GetParam());
        for (const int number : {0, 1, 2}) ::close(number);
        const result<finished> got = own->run(run_command(*own, command("cat"), "in"));
        if (!got || got->output != "in") ::_exit(1);
        command inherits = command("ls", {"/proc/self/fd"});
        inherits.output = stdio::pipe();
        result<process> lists = process::spawn(*own, inherits);
        if (!lists) ::_exit(2);
        // 0 is free, so ls opens its folder there
        ::_exit(own->run(read_all(lists->output())) == "0\n1\n" ? 0 : 3);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

// ---- that do not want to end

command stubborn() {
    command made = shell("trap '' TERM; echo ready; while :; do read line || sleep 0.1; done");
    made.input = made.output = stdio::pipe();
    made.belongs_to = command::group::own;
    return made;
}

TEST_P(bad_processes, are_killed_when_their_owner_goes) {
    std::optional<process> child(spawned(stubborn()));
    EXPECT_EQ(loop->run(read_some(child->output())), "ready\n");
    child.reset();
    EXPECT_TRUE(loop->run(soon_no_children()));
}

TEST_P(bad_processes, are_asked_first_and_killed_after_their_grace) {
    command asked = stubborn();
    asked.end_signal = SIGTERM;
    asked.grace = 30ms;
    std::optional<process> child(spawned(asked));
    EXPECT_EQ(loop->run(read_some(child->output())), "ready\n");
    const time_point before = steady_now();
    child.reset();
    EXPECT_TRUE(loop->run(soon_no_children()));
    EXPECT_GE(steady_now() - before, 30ms);
}

TEST_P(bad_processes, that_are_asked_and_go_are_not_killed) {
    command asked = shell("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done");
    asked.output = stdio::pipe();
    asked.end_signal = SIGTERM;
    asked.grace = 1h;
    process child = spawned(asked);
    const pipe_reader output = std::move(child.output());
    EXPECT_EQ(loop->run(read_some(output)), "ready\n");
    child.close();
    EXPECT_EQ(loop->run(read_all(output)), "bye\n");
    EXPECT_TRUE(loop->run(soon_no_children()));
}

TEST_P(bad_processes, that_close_their_output_early_are_still_waited_for) {
    command quiet = shell("exec 1>&-; read line; exit 4");
    quiet.input = quiet.output = stdio::pipe();
    process child = spawned(quiet);
    EXPECT_EQ(loop->run(read_all(child.output())), "");
    EXPECT_EQ(child.ended(), nullptr);
    child.input().close();
    EXPECT_TRUE(end(child)->exited(4));
}

TEST_P(bad_processes, end_their_waits_when_their_owner_goes) {
    auto run = [](event_loop& here, bool destroys) -> task<void> {
        std::optional<process> child(*process::spawn(here, stubborn()));
        errc outcome = errc::other;
        std::string read;
        auto waits = [](const process& on, errc& into) -> task<void> {
            const result<exit_status> got = co_await on.wait();
            if (!got) into = got.error().code();
        };
        auto reads = [](const pipe_reader& from, std::string& into) -> task<void> { into = co_await read_all(from); };
        counting_scope scope(here);
        scope.spawn(waits(*child, outcome));
        scope.spawn(reads(child->output(), read));
        for (int i = 0; i < 5; ++i) co_await yield();
        if (destroys) {
            child.reset();
        } else {
            child->close();
        }
        co_await scope.join();
        EXPECT_EQ(outcome, errc::closed);
        EXPECT_NE(read.find("closed"), std::string::npos) << read;
    };
    for (const bool destroys : {true, false}) loop->run(run(*loop, destroys));
    EXPECT_TRUE(loop->run(soon_no_children()));
}

TEST_P(bad_processes, go_with_the_frame_that_runs_them) {
    for (int turns = 0; turns < 12; ++turns) {
        auto run = [](event_loop& here, int after) -> task<void> {
            counting_scope scope(here);
            scope.spawn(run_command(here, stubborn(), "input"));
            for (int i = 0; i < after; ++i) co_await yield();
            scope.destroy_all();
        };
        loop->run(run(*loop, turns));
        EXPECT_TRUE(loop->run(soon_no_children()));
    }
    auto slow = run_command(*loop, stubborn());
    auto run = [](task<result<finished>> what) -> task<errc> {
        const result<finished> got = co_await with_timeout(5ms, std::move(what));
        co_return got ? errc::other : got.error().code();
    };
    EXPECT_EQ(loop->run(run(std::move(slow))), errc::timed_out);
    EXPECT_TRUE(loop->run(soon_no_children()));
}

TEST_P(bad_processes, go_with_their_loop) {
    std::vector<process> kept;
    command asked = stubborn();
    asked.end_signal = SIGTERM;
    asked.grace = 1h;
    for (int i = 0; i < 10; ++i) kept.push_back(spawned(i % 2 ? asked : stubborn()));
    for (process& one : kept) EXPECT_EQ(loop->run(read_some(one.output())), "ready\n");
    for (int i = 0; i < 4; ++i) kept.pop_back();  // some are being ended
    auto holds = [](std::vector<process> all) -> task<void> {
        for (const process& one : all) (void)co_await one.wait();
    };
    loop->spawn(holds(std::move(kept)));
    loop->run([]() -> task<void> {
        for (int i = 0; i < 5; ++i) co_await yield();
    }());
    loop.destroy();
    EXPECT_TRUE(no_children());
}

TEST_P(bad_processes, may_be_left_alone) {
    process child = spawned(stubborn());
    EXPECT_EQ(loop->run(read_some(child.output())), "ready\n");
    const int number = child.id();
    child.detach();
    EXPECT_FALSE(child.is_open());
    loop->run([]() -> task<void> { (void)co_await sleep_for(std::chrono::milliseconds(5)); }());
    EXPECT_EQ(::kill(number, 0), 0);
    ::kill(-number, SIGKILL);
    EXPECT_TRUE(loop->run(soon_no_children()));  // reaped all the same
}

TEST_P(bad_processes, that_somebody_else_reaps_are_noticed) {
    const process child = spawned(command("true"));
    ASSERT_EQ(::waitpid(child.id(), nullptr, 0), child.id());
    EXPECT_EQ(end(child).error(), errc::not_found);
    EXPECT_EQ(child.kill().error(), errc::not_found);
    const auto before = std::signal(SIGCHLD, SIG_IGN);
    EXPECT_EQ(end(spawned(command("true"))).error(), errc::not_found);
    std::signal(SIGCHLD, before);
}

INSTANTIATE_TEST_SUITE_P(kernels, bad_processes, both_kernels, name_of_case);

}  // namespace
}  // namespace co_wq::io::test
