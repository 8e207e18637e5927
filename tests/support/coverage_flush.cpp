// For coverage builds: what a process has reached before it aborts counts too. Death tests end that way.
#include <csignal>
#include <cstdlib>

extern "C" int __llvm_profile_write_file();

namespace {

void write_and_abort(int) {
    __llvm_profile_write_file();
    std::signal(SIGABRT, SIG_DFL);
    std::abort();
}

[[maybe_unused]] const auto installed = std::signal(SIGABRT, &write_and_abort);

}  // namespace
