#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include "base/fault.hpp"
#include "driver.hpp"

namespace co_wq::contract {
namespace {
int fault_pipe = -1;
}  // namespace

std::string fault_of(const variant& what, const io::test::backend& on, cell at) {
    int ends[2];
    if (::pipe(ends) != 0) return "no pipe";
    const pid_t child = ::fork();
    if (child == 0) {
        (void)std::freopen("/dev/null", "w", stderr);
        fault_pipe = ends[1];
        set_fault_hook([](const fault_report& report) noexcept {
            (void)!::write(fault_pipe, report.message, std::char_traits<char>::length(report.message));
            ::_exit(3);
        });
        (void)play(what, on, at);
        ::_exit(0);
    }
    ::close(ends[1]);
    std::string message;
    char buffer[256];
    for (ssize_t got; (got = ::read(ends[0], buffer, sizeof buffer)) > 0;)
        message.append(buffer, static_cast<std::size_t>(got));
    ::close(ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 3) return "no fault, but status " + std::to_string(status);
    return message;
}

}  // namespace co_wq::contract
