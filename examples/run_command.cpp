// Runs a program, shows what it writes in capital letters, and ends as it does: `run_command -- ls -l`. Shows child
// processes, their pipes, and standard output without blocking.
#include <cctype>
#include <cstdio>
#include <string>

#include "io/process.hpp"

using namespace co_wq;

task<void> copy_in_capitals(const io::pipe_reader& from, const io::pipe_writer& to) {
    for (;;) {
        const result<io::lease> got = co_await from.recv_lease(16 * 1024);
        if (!got || got->empty()) co_return;
        std::string text(as_text(got->data()));
        for (char& letter : text) letter = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
        const result<void> shown = co_await to.send_all(as_bytes(text));
        if (!shown) co_return;
    }
}

task<int> run(io::event_loop& loop, io::command what) {
    what.output = io::stdio::pipe();
    result<io::process> child = io::process::spawn(loop, what);
    if (!child) {
        std::fprintf(stderr, "%s: %s\n", what.program.c_str(), child.error().message().c_str());
        co_return 127;
    }
    const result<io::pipe_writer> shown = io::pipe_writer::standard_output(loop);
    if (shown) co_await copy_in_capitals(child->output(), *shown);
    const result<io::exit_status> end = co_await child->wait();
    if (!end) co_return 1;
    if (!end->success()) std::fprintf(stderr, "%s: %s\n", what.program.c_str(), end->text().c_str());
    co_return end->how == io::exit_status::kind::exited ? end->number : 128 + end->number;
}

int main(int count, char** arguments) {
    if (count < 3 || std::string(arguments[1]) != "--") {
        std::fprintf(stderr, "usage: run_command -- PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    io::event_loop loop;
    return loop.run(run(loop, io::command(arguments[2], {arguments + 3, arguments + count})));
}
