// Rows of what waits for counters, signals, children and directories.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

#include "io/directory_watch.hpp"
#include "io/event_counter.hpp"
#include "io/process.hpp"
#include "io/signal.hpp"
#include "rows.hpp"

namespace co_wq::contract {
namespace {

constexpr const char* no_files = "the simulation has no files";

consteval plan system_plan(expectation complete, expectation completing, expectation ready) {
    return operation_plan(complete, ready, none("nothing makes it fail"), completing);
}

class counter_take : public subject {
public:
    using subject::subject;
    task<void> set_up() override {
        counter_.emplace(io::event_counter::open(loop).value());
        if (at == cell::ready) co_await complete();
    }
    task<std::string> wait() override {
        const result<std::uint64_t> got = co_await counter_->take();
        if (!got) co_return got.error().message();
        co_return "ok " + std::to_string(*got);
    }
    task<void> complete() override {
        (void)counter_->add(3);
        co_return;
    }
    void close_owner() override { counter_->close(); }
    void destroy_owner() override { counter_.reset(); }

private:
    std::optional<io::event_counter> counter_;
};

class signal_wait : public subject {
public:
    explicit signal_wait(const setting& where) : subject(where), blocked_({SIGRTMIN + 3}) {}
    ~signal_wait() override { blocked_.take_pending(); }
    task<void> set_up() override {
        set_.emplace(loop, std::initializer_list<int>{SIGRTMIN + 3});
        if (at == cell::ready) co_await complete();
    }
    task<std::string> wait() override {
        const result<io::signal_info> got = co_await set_->next();
        if (!got) co_return got.error().message();
        co_return "ok " + std::to_string(got->value);
    }
    task<void> complete() override {
        (void)io::queue_signal(::getpid(), SIGRTMIN + 3, 5);
        co_return;
    }
    void close_owner() override { set_->close(); }
    void destroy_owner() override { set_.reset(); }

private:
    io::blocked_signals blocked_;
    std::optional<io::signal_set> set_;
};

// ---- what is built of them; the awaiter behind each is recv, or the wait for an event

class change_wait : public subject {
public:
    using subject::subject;
    ~change_wait() override { std::filesystem::remove_all(folder_); }
    task<void> set_up() override {
        char name[] = "/tmp/co_wq_matrix_XXXXXX";
        folder_ = ::mkdtemp(name);
        watch_.emplace(io::directory_watch::open(loop).value());
        (void)watch_->add(folder_, io::change::created);
        if (at == cell::ready) co_await complete();
    }
    task<std::string> wait() override {
        const result<io::file_event> got = co_await watch_->next();
        if (!got) co_return got.error().message();
        co_return got->is(io::change::created) ? "ok" : "something else";
    }
    task<void> complete() override {
        std::ofstream made(folder_ + "/" + std::to_string(++files_));
        co_return;
    }
    void close_owner() override { watch_->close(); }
    void destroy_owner() override { watch_.reset(); }

private:
    std::string folder_;
    std::optional<io::directory_watch> watch_;
    int files_ = 0;
};

// A child that ends when its input does.
class child_wait : public subject {
public:
    using subject::subject;
    task<void> set_up() override {
        const std::size_t before = loop.reactor().descriptors().live();
        io::command cat("cat");
        cat.input = io::stdio::pipe();
        cat.output = io::stdio::null();
        child_.emplace(io::process::spawn(loop, cat).value());
        if (at != cell::ready) co_return;
        co_await complete();
        (void)co_await child_->wait();
        // a ring lets go of what was watched a little later
        const bool quiet = co_await until([&] { return loop.reactor().descriptors().live() == before; });
        if (!quiet) throw std::runtime_error("the child is not let go of");
    }
    task<std::string> wait() override {
        const result<io::exit_status> end = co_await child_->wait();
        if (!end) co_return end.error().message();
        co_return end->success() ? "ok" : end->text();
    }
    task<void> complete() override {
        child_->input().close();
        co_return;
    }
    void close_owner() override { child_->close(); }
    void destroy_owner() override { child_.reset(); }

private:
    std::optional<io::process> child_;
};

}  // namespace

std::vector<variant> child_rows() {
    return {
        {"the end of a child", &make<child_wait>, system_plan(ends("ok"), ends("ok|stopped"), ends("ok")), no_files}};
}
std::vector<variant> watch_rows() {
    return {{"recv of changes", &make<change_wait>, system_plan(ends("ok"), ends("ok|stopped"), ends("ok")), no_files}};
}

std::vector<variant> io_counter_awaiter_rows() {
    return {{"take from a counter", &make<counter_take>,
             system_plan(ends("ok 3"), ends("ok 3|stopped"), at_once("ok 3")), no_files}};
}
std::vector<variant> io_signal_awaiter_rows() {
    return {{"signal", &make<signal_wait>, system_plan(ends("ok 5"), ends("ok 5|stopped"), at_once("ok 5")), no_files}};
}

}  // namespace co_wq::contract
