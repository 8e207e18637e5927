// Prints what happens in a folder until a signal or the given number of events has come: `watch_directory FOLDER
// [EVENTS]`. Shows directory_watch, signals, and the first of two to end.
#include <cstdio>
#include <cstdlib>

#include "io/directory_watch.hpp"
#include "io/signal.hpp"
#include "task/when.hpp"

using namespace co_wq;

const char* word_for(const io::file_event& seen) {
    if (seen.is(io::change::created)) return "created";
    if (seen.is(io::change::closed_written)) return "written";
    if (seen.is(io::change::removed)) return "removed";
    if (seen.is(io::change::moved_from)) return "moved from here";
    if (seen.is(io::change::moved_to)) return "moved to here";
    if (seen.is(io::change::overflow)) return "some events were dropped: look at all of it";
    return "the folder itself has changed";
}

task<int> watch(const io::directory_watch& folder, long most) {
    for (long count = 0; count < most; ++count) {
        const result<io::file_event> seen = co_await folder.next();
        if (!seen) co_return seen.error() == errc::stopped ? 0 : 1;
        std::printf("%s%s: %s\n", seen->name.c_str(), seen->folder ? "/" : "", word_for(*seen));
        std::fflush(stdout);
    }
    co_return 0;
}

task<void> until_signal(const io::signal_set& signals) {
    const result<io::signal_info> which = co_await signals.next();
    if (which) std::printf("signal %d from process %d\n", which->number, which->process);
}

task<int> run(io::event_loop& loop, std::string path, long most) {
    const result<io::directory_watch> made = io::directory_watch::open(loop);
    const result<int> added = made ? made->add(path) : result<int>(std::unexpected(made.error()));
    if (!added) {
        std::fprintf(stderr, "%s: %s %s\n", path.c_str(), added.error().message().c_str(),
                     io::directory_watch::limit_of(added.error()));
        co_return 1;
    }
    const io::signal_set signals(loop, {io::signals::interrupt, io::signals::terminate});
    std::printf("watching %s\n", path.c_str());
    std::fflush(stdout);
    auto first = co_await when_any(watch(*made, most), until_signal(signals));
    co_return first.index() == 0 ? std::get<0>(first) : 0;
}

int main(int count, char** arguments) {
    io::block_signals({io::signals::interrupt, io::signals::terminate});
    io::event_loop loop;
    return loop.run(run(loop, count > 1 ? arguments[1] : ".", count > 2 ? std::atol(arguments[2]) : 1L << 30));
}
