#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "base/os/service.hpp"
#include "io/signal.hpp"
#include "proxy/config/explain.hpp"
#include "proxy/options.hpp"
#include "proxy/server.hpp"
#include "proxy/service.hpp"

namespace {

using namespace co_wq;

int run(int count, char** words) {
    // From the beginning: by default they would end us, while we still read our files. SIGINT and SIGTERM do until we
    // serve; so an explain can be broken off.
    io::block_signals({io::signals::hang_up, io::signals::user_1, io::signals::user_2});
    proxy::options chosen;
    std::vector<std::string> problems;
    switch (proxy::parse_options(count, words, chosen, proxy::runs_as_service() ? &problems : nullptr)) {
        case proxy::parse_outcome::done: return 0;
        case proxy::parse_outcome::wrong:
            for (const std::string& each : problems) log::error("{}", each);
            return 2;
        case proxy::parse_outcome::explain: return proxy::config::explain(chosen);
        case proxy::parse_outcome::errand: return proxy::do_errand(chosen);
        case proxy::parse_outcome::run: break;
    }
    if (os::is_handed_over()) chosen.log.append = true;  // the older process writes there, too
    const result<void> logging = log::configure(chosen.log);
    if (!logging) {
        const std::string file = proxy::on_one_line(chosen.log.file), why = logging.error().message();
        if (proxy::runs_as_service()) log::error("--log-file {}: {}", file, why);
        std::fprintf(stderr, "co_http_proxy: --log-file %s: %s\n", file.c_str(), why.c_str());
        return 1;
    }
    io::ignore_sigpipe();
    io::block_signals({io::signals::interrupt, io::signals::terminate});
    proxy::log_process();
    proxy::server_group group(chosen);
    const int code = group.run();
    log::flush();
    return code;
}

}  // namespace

int main(int count, char** words) {
    try {
        if (const std::optional<int> code = proxy::run_as_service(count, words, &run)) return *code;
        return run(count, words);
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "co_http_proxy: %s\n", failure.what());
        return 1;
    }
}
