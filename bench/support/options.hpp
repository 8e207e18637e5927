// Command lines of the benchmark programs, and the reactor they run on.
//
// Reactor: --reactor auto|epoll|uring; without it the environment variable CO_WQ_REACTOR; without that the name of the
// folder that the program was started from, bin_epoll or bin_uring, so that one build serves as several contestants.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "io/event_loop.hpp"

namespace co_wq::bench {

[[noreturn]] inline void usage_error(const char* program, const char* what, const char* value) {
    std::fprintf(stderr, "%s: %s '%s'\n", program, what, value);
    std::exit(2);
}

struct options {
    int port = 0;
    int threads = 1;
    double scale = 1;
    io::reactor_kind reactor = io::reactor_kind::automatic;

    options(int argc, char** argv) {
        const char* wanted = std::getenv("CO_WQ_REACTOR");
        if (!wanted) wanted = reactor_of_folder(argv[0]);
        for (int i = 1; i < argc; i += 2) {
            const std::string_view name = argv[i];
            if (i + 1 == argc) usage_error(argv[0], "no value for", argv[i]);
            if (name == "--port") {
                port = std::atoi(argv[i + 1]);
            } else if (name == "--threads") {
                threads = std::atoi(argv[i + 1]);
            } else if (name == "--scale") {
                scale = std::atof(argv[i + 1]);
            } else if (name == "--reactor") {
                wanted = argv[i + 1];
            } else {
                usage_error(argv[0], "unknown option", argv[i]);
            }
        }
        if (threads < 1) usage_error(argv[0], "--threads takes a number from 1, not", "0");
        const auto kind = io::reactor_kind_from(wanted);
        if (!kind || *kind == io::reactor_kind::sim) usage_error(argv[0], "unknown reactor", wanted);
        reactor = *kind;
    }

    // An iteration count, scaled.
    long count(double base) const {
        const auto scaled = static_cast<long>(base * scale);
        return scaled < 16 ? 16 : scaled;
    }

private:
    static const char* reactor_of_folder(std::string_view path) {
        const std::size_t end = path.rfind('/');
        std::string_view folder = path.substr(0, end == std::string_view::npos ? 0 : end);
        folder = folder.substr(folder.rfind('/') + 1);  // npos + 1 is 0: the whole of it
        if (folder == "bin_uring") return "uring";
        return folder == "bin_epoll" ? "epoll" : "auto";
    }
};

}  // namespace co_wq::bench
