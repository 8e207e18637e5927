// service: what the program does on Windows besides serving in a console. Elsewhere there is none of it: no option, and
// nothing to do (no_service.cpp).
//
// For:        --service (to be one), --install-service and --remove-service, --tell (what signals say elsewhere),
//             --event-log.
// Threads:    the first one, before there are others.
#pragma once

#include <optional>
#include <string>

namespace CLI {
class App;
}

namespace co_wq::proxy {

struct options;

struct service_options {
    std::string folder;  // run as a service, in this folder; empty: not
    bool install = false, remove = false;
    std::string name = "co_http_proxy";
    std::string account = "NT AUTHORITY\\LocalService";
    std::string tell;  // reload, reopen, drain or end
    int process = 0;  // whom; 0: the only one
    bool event_log = false;

    // Something to do instead of serving.
    bool errand() const noexcept { return install || remove || !tell.empty(); }
};

void add_service_options(CLI::App& app, service_options& out);
// What is wrong, in words; "": the log goes where they say.
std::string apply_service_options(options& out);

// If the command line says that this is a service, it is one until body, which gets the same words, has ended; the exit
// code. Nothing: it does not say so.
std::optional<int> run_as_service(int count, char** words, int (*body)(int, char**));
// Whether standard error reaches nobody, so that what is wrong belongs into the log.
bool runs_as_service() noexcept;
// Says in the log which process this is, for whoever is to tell it something.
void log_process();
// The exit code.
int do_errand(const options& chosen);

// What takes what a reload does not.
extern const char* const renewal;

}  // namespace co_wq::proxy
