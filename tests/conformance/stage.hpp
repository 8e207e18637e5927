// stage: where a scenario plays, and the log of what could be seen. A scenario is the same on every backend, and so
// must its log be.
//
// Threads: the loop's own.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "io/reactors.hpp"
#include "sync/deadline.hpp"
#include "sync/sleep.hpp"
#include "task/scope.hpp"
#include "task/yield.hpp"

namespace co_wq::conformance {

using namespace std::chrono_literals;

struct actor {
    const char* name;
    io::socket at;
};

// Every function but those of "silent" things writes one line.
class stage {
public:
    explicit stage(io::event_loop& on) : loop(on), others(on) {}

    void log(const std::string& line) { seen += line + "\n"; }

    // ---- silent
    task<void> listens(int backlog = 128);
    // near connects and far is its accepted end.
    task<void> connected();
    // Until the wait for readiness ends; the peer's doing has arrived then.
    task<void> arrived(actor& who, io::direction what);
    // Nothing more goes into near until far reads.
    task<void> fills_near();
    io::socket new_stream();
    bool simulated() const { return std::string_view(loop.reactor().name()) == "sim"; }

    // ---- what can be done
    task<void> connects(actor& who);
    task<void> accepts(actor& into);
    task<void> sends(actor& who, std::string_view text);
    // Until that many bytes are there, the stream has ended, or it fails.
    task<void> reads(actor& who, std::size_t count);
    task<void> reads_leased(actor& who);
    task<void> polls(actor& who, io::direction what, duration limit = 3ms);
    void shuts(actor& who);
    void closes(actor& who);
    void resets(actor& who);

    // The work with a limit; a result that comes too late is logged by the work itself.
    template <class T>
    task<void> limited(duration limit, task<T> work) {
        (void)co_await with_timeout(limit, std::move(work));
    }

    io::event_loop& loop;
    io::socket listener;
    io::socket_address where{};
    actor near{"near", {}}, far{"far", {}};
    counting_scope others;  // what goes on beside the scenario
    std::string seen;
};

std::vector<std::byte> pattern(std::size_t size);

struct scenario {
    const char* name;
    task<void> (*play)(stage&);
    const char* seen;  // what the log must be, on every backend
};

std::vector<scenario> connection_scenarios();
std::vector<scenario> ending_scenarios();
std::vector<scenario> stream_scenarios();
std::vector<scenario> waiting_scenarios();

}  // namespace co_wq::conformance
