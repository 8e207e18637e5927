#include <cstdio>
#include <exception>

#include "base/os/service.hpp"
#include "io/signal.hpp"
#include "proxy/config/explain.hpp"
#include "proxy/options.hpp"
#include "proxy/server.hpp"

namespace {

int run(int count, char** words) {
    using namespace co_wq;
    // From the beginning: by default they would end us, while we still read our files. SIGINT and SIGTERM do until we
    // serve; so an explain can be broken off.
    io::block_signals({io::signals::hang_up, io::signals::user_1, io::signals::user_2});
    proxy::options chosen;
    switch (proxy::parse_options(count, words, chosen)) {
        case proxy::parse_outcome::done: return 0;
        case proxy::parse_outcome::wrong: return 2;
        case proxy::parse_outcome::explain: return proxy::config::explain(chosen);
        case proxy::parse_outcome::run: break;
    }
    if (os::is_handed_over()) chosen.log.append = true;  // the older process writes there, too
    const result<void> logging = log::configure(chosen.log);
    if (!logging) {
        std::fprintf(stderr, "co_http_proxy: --log-file %s: %s\n", proxy::on_one_line(chosen.log.file).c_str(),
                     logging.error().message().c_str());
        return 1;
    }
    io::ignore_sigpipe();
    io::block_signals({io::signals::interrupt, io::signals::terminate});
    proxy::server_group group(chosen);
    const int code = group.run();
    log::flush();
    return code;
}

}  // namespace

int main(int count, char** words) {
    try {
        return run(count, words);
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "co_http_proxy: %s\n", failure.what());
        return 1;
    }
}
