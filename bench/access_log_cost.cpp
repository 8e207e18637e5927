// What the access log costs a loop for each request: making the line, and putting it into the ring.
//
//   access_log_cost [--records N] [--to PATH]      default: 1,000,000 to /dev/null
//
// Prints ns per record, for both forms: the line alone, the whole record, and the share that found no room because
// this thread does nothing else.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/clock.hpp"
#include "proxy/seeing/access_log.hpp"
#include "proxy/seeing/access_record.hpp"
#include "proxy/seeing/escape.hpp"

namespace {

using namespace co_wq;

proxy::access_record record_of(long number, std::string& target) {
    target = proxy::loggable_target("http://user:secret@downloads.example.com/a/path/of/usual/length?token=0123456789",
                                    {.well_formed = true});
    return {.when = std::chrono::system_clock::now(),
            .connection = static_cast<std::uint64_t>(number),
            .request = 1,
            .client = "192.0.2.17:50123",
            .protocol = "http/1.1",
            .method = "GET",
            .target = target,
            .status = 200,
            .upstream = "198.51.100.7:80",
            .dns = std::chrono::microseconds(3),
            .connect = std::chrono::microseconds(1234),
            .first_byte = std::chrono::microseconds(5678),
            .total = std::chrono::microseconds(9012),
            .bytes_up = 212,
            .bytes_down = 15'321,
            .up = proxy::ended::eof,
            .down = proxy::ended::eof};
}

double per_record(time_point since, long records) {
    return static_cast<double>((steady_now() - since).count()) / static_cast<double>(records);
}

void measure(const char* name, void (*append)(std::string&, const proxy::access_record&), const std::string& path,
             long records) {
    std::string line, target;
    std::size_t bytes = 0;
    time_point began = steady_now();
    for (long number = 0; number < records; ++number) {
        line.clear();
        append(line, record_of(number, target));
        bytes += line.size();
    }
    std::printf("access_log_%s_line_ns %.1f\n", name, per_record(began, records));
    auto log = proxy::access_log::open(path);
    if (!log) {
        std::fprintf(stderr, "access_log_cost: %s: %s\n", path.c_str(), log.error().message().c_str());
        std::exit(1);
    }
    proxy::access_log::lane& lane = (*log)->add_lane();
    began = steady_now();
    for (long number = 0; number < records; ++number) {
        line.clear();
        append(line, record_of(number, target));
        (void)lane.write(line);
    }
    std::printf("access_log_%s_record_ns %.1f\n", name, per_record(began, records));
    const std::uint64_t lost = (*log)->close(std::chrono::seconds(10));
    std::printf("access_log_%s_line_bytes %.1f\n", name, static_cast<double>(bytes) / static_cast<double>(records));
    std::printf("access_log_%s_dropped_share %.4f\n", name,
                static_cast<double>((*log)->dropped() + lost) / static_cast<double>(records));
}

}  // namespace

int main(int count, char** words) {
    long records = 1'000'000;
    std::string path = "/dev/null";
    for (int at = 1; at + 1 < count; at += 2) {
        if (std::strcmp(words[at], "--records") == 0) records = std::max(1L, std::atol(words[at + 1]));
        if (std::strcmp(words[at], "--to") == 0) path = words[at + 1];
    }
    measure("text", &proxy::append_text, path, records);
    measure("json", &proxy::append_json, path, records);
    return 0;
}
