// Copies a file and shows how far it is: copy_file FROM TO. Shows files, progress, errors by name. A copy that fails
// leaves the destination as it was.
#include "io/copy_file.hpp"

#include <cstdio>
#include <string>

using namespace co_wq;

void show(io::copy_progress at) {
    const double percent = 100.0 * static_cast<double>(at.copied_bytes) / static_cast<double>(at.size_bytes);
    std::printf("\r%5.1f %%", percent);
    std::fflush(stdout);
}

task<int> copy(io::event_loop& loop, std::string from, std::string to) {
    io::copy_options how;
    how.chunk_bytes = 16 * 1024 * 1024;
    how.progress = &show;
    const result<std::uint64_t> copied = co_await io::copy_file(loop, from, to, how);
    if (!copied) {
        std::fprintf(stderr, "%s to %s: %s\n", from.c_str(), to.c_str(), copied.error().message().c_str());
        co_return 1;
    }
    std::printf("\r%llu bytes\n", static_cast<unsigned long long>(*copied));
    co_return 0;
}

int main(int count, char** words) {
    if (count != 3) {
        std::fprintf(stderr, "usage: %s FROM TO\n", words[0]);
        return 2;
    }
    io::event_loop loop;
    return loop.run(copy(loop, words[1], words[2]));
}
