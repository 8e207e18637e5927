// The row of signals on Windows; and what Windows does not have, or not yet.
#include <windows.h>

#include <optional>

#include "io/signal.hpp"
#include "rows.hpp"

namespace co_wq::contract {
namespace {

class signal_wait : public subject {
public:
    explicit signal_wait(const setting& where) : subject(where), blocked_({io::signals::terminate}) {}
    ~signal_wait() override { blocked_.take_pending(); }
    task<void> set_up() override {
        set_.emplace(loop, std::initializer_list<int>{io::signals::terminate});
        if (at == cell::ready) co_await complete();
    }
    task<std::string> wait() override {
        const result<io::signal_info> got = co_await set_->next();
        if (!got) co_return got.error().message();
        co_return "ok " + std::to_string(got->value);
    }
    task<void> complete() override {
        (void)io::queue_signal(static_cast<int>(::GetCurrentProcessId()), io::signals::terminate, 5);
        co_return;
    }
    void close_owner() override { set_->close(); }
    void destroy_owner() override { set_.reset(); }

private:
    io::blocked_signals blocked_;
    std::optional<io::signal_set> set_;
};

consteval variant absent(const char* name, const char* reason) { return {name, nullptr, absent_plan(reason)}; }

constexpr const char* no_splice = "not on Windows: there is no splice(2)";
constexpr const char* no_local_sockets = "not on Windows: pairs of local sockets, and files sent through them";
constexpr const char* no_full_datagrams =
    "not on Windows: UDP always has room, and local datagram sockets are not there";

}  // namespace

std::vector<variant> io_signal_awaiter_rows() {
    return {{"signal", &make<signal_wait>,
             operation_plan(ends("ok 5"), at_once("ok 5"), none("nothing makes it fail"), ends("ok 5|stopped")),
             "the simulation has no signals"}};
}

std::vector<variant> child_rows() { return {absent("the end of a child", "not on Windows: children on a loop")}; }
std::vector<variant> watch_rows() { return {absent("recv of changes", "not on Windows: changes of directories")}; }

std::vector<variant> io_recv_pipe_awaiter_rows() { return {absent("recv into a pipe", no_splice)}; }
std::vector<variant> io_send_pipe_awaiter_rows() { return {absent("send_all of a pipe", no_splice)}; }
std::vector<variant> io_recv_files_awaiter_rows() { return {absent("recv with files", no_local_sockets)}; }
std::vector<variant> io_send_files_awaiter_rows() { return {absent("send with files", no_local_sockets)}; }
std::vector<variant> io_send_to_awaiter_rows() { return {absent("send_to", no_full_datagrams)}; }
std::vector<variant> io_send_batch_awaiter_rows() { return {absent("send_batch", no_full_datagrams)}; }
std::vector<variant> io_counter_awaiter_rows() {
    return {absent("take from a counter", "not on Windows: event counters")};
}

}  // namespace co_wq::contract
