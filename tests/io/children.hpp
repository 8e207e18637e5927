// What tests of child processes share.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "io/process.hpp"
#include "io/reactors.hpp"

namespace co_wq::io::test {

inline command shell(std::string script) { return command("/bin/sh", {"-c", std::move(script)}); }

inline task<result<exit_status>> end_of(const process& child) {
    const result<exit_status> end = co_await child.wait();
    co_return end;
}

inline task<std::string> read_all(const pipe_reader& from) {
    std::string text;
    for (;;) {
        const result<lease> got = co_await from.recv_lease(16 * 1024);
        if (!got) co_return text + " then " + got.error().message();
        if (got->empty()) co_return text;
        text += as_text(got->data());
    }
}

// Until the child has said something.
inline task<std::string> read_some(const pipe_reader& from) {
    const result<lease> got = co_await from.recv_lease(4096);
    if (!got) co_return got.error().message();
    co_return std::string(as_text(got->data()));
}

// This process has no child, not even a zombie.
inline bool no_children() { return ::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD; }

inline task<bool> soon_no_children() {
    for (int i = 0; i < 20'000; ++i) {
        siginfo_t info{};  // looks without reaping
        if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD) co_return true;
        (void)co_await sleep_for(std::chrono::milliseconds(1));
    }
    co_return false;
}

class of_processes : public testing::TestWithParam<backend> {
protected:
    of_processes() : loop(GetParam()) {}
    ~of_processes() override {
        loop.destroy();
        EXPECT_TRUE(no_children());
    }
    process spawned(const command& what) {
        result<process> made = process::spawn(*loop, what);
        EXPECT_TRUE(made.has_value()) << (made ? "" : made.error().message()) << " at " << name_of(failed_step());
        return made ? std::move(*made) : process();
    }
    result<exit_status> end(const process& child) { return loop->run(end_of(child)); }
    result<finished> run(command what, std::string input = {}, std::size_t most = 1 << 20) {
        return loop->run(run_command(*loop, std::move(what), std::move(input), most));
    }
    std::string output(command what, std::string input = {}) {
        const result<finished> got = run(std::move(what), std::move(input));
        if (!got) return got.error().message();
        return got->output + (got->errors.empty() ? "" : " and " + got->errors);
    }

    loop_under_test loop;
};

inline const auto both_kernels = testing::Values(backend{reactor_kind::epoll, 0}, backend{reactor_kind::uring, 0});

}  // namespace co_wq::io::test
