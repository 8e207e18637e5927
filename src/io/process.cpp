#include "io/process.hpp"

#include "io/child_state.hpp"
#include "task/when.hpp"

namespace co_wq::io {

process::process() noexcept = default;
process::process(process&&) noexcept = default;

process& process::operator=(process&& other) noexcept {
    if (this != &other) {
        close();
        state_ = std::move(other.state_);
        input_ = std::move(other.input_);
        output_ = std::move(other.output_);
        errors_ = std::move(other.errors_);
    }
    return *this;
}

process::~process() { close(); }

void process::close() noexcept {
    input_.close();
    output_.close();
    errors_.close();
    if (state_) std::exchange(state_, nullptr)->let_go(false);
}

void process::detach() noexcept {
    if (state_) std::exchange(state_, nullptr)->let_go(true);
}

int process::id() const noexcept { return state_ ? state_->process() : 0; }

const exit_status* process::ended() const noexcept { return state_ && state_->status() ? &*state_->status() : nullptr; }

result<void> process::kill(int signal) const noexcept {
    if (!state_) return fail(errc::closed);
    return state_->kill(signal);
}

result<void> process::kill_group(int signal) const noexcept {
    if (!state_) return fail(errc::closed);
    return state_->kill_group(signal);
}

namespace {

task<result<exit_status>> end_of(std::shared_ptr<detail::child_state> child) {
    if (!child) co_return fail(errc::closed);
    if (!child->over() && !child->closed()) {
        const result<void> changed = co_await child->changed().wait();
        if (!changed) co_return std::unexpected(changed.error());
    }
    if (child->status()) co_return *child->status();
    co_return fail(child->closed() ? errc::closed : errc::not_found);
}

task<void> feed(process& child, std::string_view input) {
    (void)co_await child.input().send_all(as_bytes(input));  // not read to its end: no error
    child.input().close();
}

// False: more than that came, and the child was ended.
task<bool> collect(process& child, pipe_reader& from, std::string& into, std::size_t most) {
    while (from.is_open()) {
        const result<lease> got = co_await from.recv_lease(64 * 1024);
        if (!got || got->empty()) break;
        if (into.size() + got->size() > most) {
            child.close();
            co_return false;
        }
        into += as_text(got->data());
    }
    co_return true;
}

}  // namespace

task<result<exit_status>> process::wait() const { return end_of(state_); }

task<result<finished>> run_command(event_loop& loop, command what, std::string input, std::size_t output_max) {
    what.input = what.output = what.error = stdio::pipe();
    result<process> child = process::spawn(loop, what);
    if (!child) co_return std::unexpected(child.error());
    finished all;
    auto [fed, output_fits, errors_fit, end] =
        co_await when_all(feed(*child, input), collect(*child, child->output(), all.output, output_max),
                          collect(*child, child->errors(), all.errors, output_max), child->wait());
    if (!output_fits || !errors_fit) co_return fail(errc::limit_exceeded);
    if (!end) co_return std::unexpected(end.error());
    all.status = *end;
    co_return all;
}

std::string exit_status::text() const {
    if (how == kind::exited) return "exit code " + std::to_string(number);
    return "signal " + std::to_string(number) + (core ? ", core dumped" : "");
}

const char* name_of(spawn_step step) noexcept {
    static constexpr const char* names[] = {"none", "prepare", "fork", "files", "group", "directory", "exec"};
    return names[static_cast<unsigned>(step)];
}

}  // namespace co_wq::io
