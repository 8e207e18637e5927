// Random reads of one file at a depth: random_reads FILE [--reactor R] [--depth N] [--block BYTES] [--seconds S]
// [--direct 0|1] [--seed N]. How to compare it with fio: README.md.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "io/file_system.hpp"
#include "sync/sleep.hpp"
#include "task/scope.hpp"

using namespace co_wq;

namespace {

struct settings {
    std::string path;
    io::reactor_kind reactor = io::reactor_kind::automatic;
    unsigned depth = 32, threads = 4;
    std::size_t block_bytes = 4096;
    double seconds = 5;
    bool direct = true;
    std::uint64_t seed = 1;
};

[[noreturn]] void usage() {
    std::fprintf(stderr,
                 "usage: random_reads FILE [--reactor auto|epoll|uring] [--depth N] [--block BYTES] [--seconds S] "
                 "[--direct 0|1] [--threads N] [--seed N]\n");
    std::exit(2);
}

settings parse(int argc, char** argv) {
    if (argc < 2 || argc % 2 != 0) usage();
    settings made{.path = argv[1]};
    for (int i = 2; i + 1 < argc; i += 2) {
        const std::string_view name = argv[i];
        const char* value = argv[i + 1];
        if (name == "--reactor") {
            const auto kind = io::reactor_kind_from(value);
            if (!kind) usage();
            made.reactor = *kind;
        } else if (name == "--depth") {
            made.depth = static_cast<unsigned>(std::atoi(value));
        } else if (name == "--threads") {
            made.threads = static_cast<unsigned>(std::atoi(value));
        } else if (name == "--block") {
            made.block_bytes = std::strtoull(value, nullptr, 10);
        } else if (name == "--seconds") {
            made.seconds = std::atof(value);
        } else if (name == "--direct") {
            made.direct = std::atoi(value) != 0;
        } else if (name == "--seed") {
            made.seed = std::strtoull(value, nullptr, 10);
        } else {
            usage();
        }
    }
    return made;
}

struct counters {
    std::uint64_t reads = 0;
    bool over = false;
};

// xorshift64*: one per reader.
struct random_numbers {
    std::uint64_t state;
    std::uint64_t next() {
        state ^= state >> 12, state ^= state << 25, state ^= state >> 27;
        return state * 2685821657736338717ull;
    }
};

task<void> reader(const io::file& from, std::uint64_t blocks, const settings& with, std::uint64_t seed,
                  counters& count) {
    random_numbers random{seed * 0x9e3779b97f4a7c15ull | 1};
    while (!count.over) {
        const std::uint64_t block = (random.next() >> 11) % blocks;
        const result<io::lease> got = co_await from.read_at(block * with.block_bytes, with.block_bytes);
        if (!got || got->size() != with.block_bytes) {
            std::fprintf(stderr, "random_reads: %s\n", got ? "a short read" : got.error().message().c_str());
            std::exit(1);
        }
        ++count.reads;
    }
}

task<void> measure(io::event_loop& loop, const settings& with) {
    const result<io::file> from = co_await io::file::open(loop, with.path, {.direct = with.direct});
    if (!from) {
        std::fprintf(stderr, "random_reads: %s\n", from.error().message().c_str());
        std::exit(1);
    }
    const result<io::file_status> found = co_await from->status();
    const std::uint64_t blocks = found->size_bytes / with.block_bytes;
    if (blocks == 0) usage();
    counters count;
    counting_scope readers(loop);
    const auto begin = std::chrono::steady_clock::now();
    for (unsigned i = 0; i < with.depth; ++i)
        readers.spawn(reader(*from, blocks, with, with.seed + i, count), "reader");
    (void)co_await sleep_for(std::chrono::duration_cast<duration>(std::chrono::duration<double>(with.seconds)));
    count.over = true;
    co_await readers.join();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    std::printf("reads_per_s %.0f\n", static_cast<double>(count.reads) / took.count());
}

}  // namespace

int main(int argc, char** argv) {
    const settings with = parse(argc, argv);
    io::event_loop loop({.reactor = with.reactor, .name = "reads", .file_threads = with.threads});
    loop.run(measure(loop, with));
}
