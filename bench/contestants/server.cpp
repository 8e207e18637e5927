#include "contestants/server.hpp"

#include <signal.h>
#include <sys/resource.h>

#include <atomic>
#include <cstdio>
#include <exception>
#include <functional>
#include <latch>
#include <memory>
#include <optional>
#include <vector>

#include "support/loop_thread.hpp"
#include "support/options.hpp"
#include "sync/sleep.hpp"

namespace co_wq::bench {
namespace {

constexpr int backlog = 4096;

std::atomic<bool> ending = false;
std::atomic<io::event_loop*> main_loop = nullptr;

// Runs on the main thread only: the others block the signal. poke is a write(2) to an eventfd.
void on_terminate(int) noexcept {
    ending.store(true, std::memory_order_relaxed);
    if (io::event_loop* loop = main_loop.load(std::memory_order_relaxed)) loop->poke();
}

void set_up_process() {
    struct sigaction act{};
    act.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &act, nullptr);
    act.sa_handler = &on_terminate;
    sigaction(SIGTERM, &act, nullptr);
    sigaction(SIGINT, &act, nullptr);
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

task<void> accept_all(io::socket listener, connection_handler serve) {
    for (;;) {
        result<io::socket> accepted = co_await listener.accept();
        if (accepted) {
            listener.loop().spawn(serve(std::move(*accepted)), "connection");
            continue;
        }
        // out of descriptors, most likely: connections that end meanwhile give some back
        (void)co_await sleep_for(std::chrono::milliseconds(10));
    }
}

// Opens a loop's socket and begins to serve it. False, with a message: the port cannot be had.
using opener = std::function<bool(io::event_loop&)>;

bool complain(const io::socket_address& where, error what) {
    std::fprintf(stderr, "cannot listen on %s: %s\n", where.text().c_str(), what.message().c_str());
    return false;
}

bool listen_on(io::event_loop& loop, const options& given, connection_handler serve) {
    const auto where = io::socket_address::loopback(static_cast<std::uint16_t>(given.port));
    const auto opened = loop.reactor().calls().open_listener(where, backlog, given.threads > 1);
    if (!opened) return complain(where, opened.error());
    loop.spawn(accept_all(io::socket(loop, *opened, io::descriptor_kind::listener), serve), "accept");
    return true;
}

bool bind_to(io::event_loop& loop, const options& given, connection_handler serve) {
    const auto where = io::socket_address::loopback(static_cast<std::uint16_t>(given.port));
    io::socket_calls& calls = loop.reactor().calls();
    const auto opened = calls.open_datagram(where.family());
    if (!opened) return complain(where, opened.error());
    io::socket made(loop, *opened, io::descriptor_kind::datagram);
    const result<void> bound = calls.bind_datagram(*opened, where, given.threads > 1);
    if (!bound) return complain(where, bound.error());
    loop.spawn(serve(std::move(made)), "datagrams");
    return true;
}

// Further loops, started with the terminating signals blocked.
class workers {
public:
    bool start(const options& given, const opener& open) {
        sigset_t blocked, before;
        sigemptyset(&blocked);
        sigaddset(&blocked, SIGTERM);
        sigaddset(&blocked, SIGINT);
        pthread_sigmask(SIG_BLOCK, &blocked, &before);
        bool good = true;
        for (int i = 1; i < given.threads && good; ++i) {
            auto& one = *threads_.emplace_back(std::make_unique<loop_thread>(given.reactor));
            std::latch listening(1);
            one.loop().post_message([&] {
                good = open(one.loop());
                listening.count_down();
            });
            listening.wait();
        }
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
        return good;
    }

private:
    std::vector<std::unique_ptr<loop_thread>> threads_;
};

int serve_until_terminated(const options& given, const opener& open) {
    io::event_loop loop({.reactor = given.reactor});
    main_loop = &loop;
    workers others;
    int code = 1;
    if (open(loop) && others.start(given, open)) {
        std::puts("READY");
        std::fflush(stdout);
        loop.run_until([] { return ending.load(std::memory_order_relaxed); });
        code = 0;
    }
    main_loop = nullptr;
    return code;
}

int run(int argc, char** argv, bool (*open)(io::event_loop&, const options&, connection_handler),
        connection_handler serve) {
    const options given(argc, argv);
    if (given.port <= 0 || given.port > 65535) usage_error(argv[0], "a port is needed:", "--port P");
    set_up_process();
    try {
        return serve_until_terminated(given, [&](io::event_loop& loop) { return open(loop, given, serve); });
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "%s: %s\n", argv[0], failure.what());
        return 1;
    }
}

}  // namespace

int run_server(int argc, char** argv, connection_handler serve) { return run(argc, argv, &listen_on, serve); }
int run_datagram_server(int argc, char** argv, connection_handler serve) { return run(argc, argv, &bind_to, serve); }

}  // namespace co_wq::bench
