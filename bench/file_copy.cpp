// One copy of a file, timed: file_copy FROM TO [--reactor R] [--threads N] [--chunk MIB] [--rounds N]. How to compare
// it with cp: README.md.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "io/copy_file.hpp"

using namespace co_wq;

namespace {

struct settings {
    std::string from, to;
    io::reactor_kind reactor = io::reactor_kind::automatic;
    unsigned threads = 4;
    std::uint64_t chunk_bytes = io::copy_options().chunk_bytes;
    int rounds = 1;
};

[[noreturn]] void usage() {
    std::fprintf(stderr,
                 "usage: file_copy FROM TO [--reactor auto|epoll|uring] [--threads N] [--chunk MIB] [--rounds N]\n");
    std::exit(2);
}

settings parse(int argc, char** argv) {
    if (argc < 3 || argc % 2 == 0) usage();
    settings made{.from = argv[1], .to = argv[2]};
    for (int i = 3; i + 1 < argc; i += 2) {
        const std::string_view name = argv[i];
        const auto kind = io::reactor_kind_from(argv[i + 1]);
        if (name == "--reactor" && kind) {
            made.reactor = *kind;
        } else if (name == "--threads") {
            made.threads = static_cast<unsigned>(std::atoi(argv[i + 1]));
        } else if (name == "--chunk") {
            made.chunk_bytes = std::strtoull(argv[i + 1], nullptr, 10) << 20;
        } else if (name == "--rounds") {
            made.rounds = std::max(1, std::atoi(argv[i + 1]));
        } else {
            usage();
        }
    }
    return made;
}

task<double> copy(io::event_loop& loop, const settings& with) {
    io::copy_options how;
    how.chunk_bytes = with.chunk_bytes;
    const auto begin = std::chrono::steady_clock::now();
    const result<std::uint64_t> copied = co_await io::copy_file(loop, with.from, with.to, how);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    if (!copied) {
        std::fprintf(stderr, "file_copy: %s\n", copied.error().message().c_str());
        std::exit(1);
    }
    co_return took.count();
}

}  // namespace

int main(int argc, char** argv) {
    const settings with = parse(argc, argv);
    io::event_loop loop({.reactor = with.reactor, .name = "copy", .file_threads = with.threads});
    std::vector<double> times;
    for (int round = 0; round < with.rounds; ++round) {
        ::unlink(with.to.c_str());  // as a fresh cp has it
        times.push_back(loop.run(copy(loop, with)));
    }
    std::ranges::sort(times);
    std::printf("file_copy_s %.4f\n", times[times.size() / 2]);
}
