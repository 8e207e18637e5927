// Where services are systemd's (base/os/service.hpp), and signals come by kill(1).
#include "proxy/service.hpp"

namespace co_wq::proxy {

void add_service_options(CLI::App&, service_options&) {}
std::string apply_service_options(options&) { return {}; }
std::optional<int> run_as_service(int, char**, int (*)(int, char**)) { return std::nullopt; }
bool runs_as_service() noexcept { return false; }
void log_process() {}
int do_errand(const options&) { return 0; }  // no option asks for one

const char* const renewal = "an upgrade with SIGUSR2";

}  // namespace co_wq::proxy
