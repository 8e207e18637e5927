// The command line of a model program: runs one search over one scenario and prints one line about it.
#include <signal.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "engine.hpp"

namespace model {
namespace {

entry* entries = nullptr;
rl::iteration_t limit = 0;  // 0: none
entry* chosen = nullptr;
const char* search_name = "";
std::chrono::steady_clock::time_point started;

void print_result(const char* result, rl::iteration_t schedules) {
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - started;
    std::printf("%-28s %u threads  %-8s %11llu schedules %8.2f s  %s\n", chosen->name, chosen->threads, search_name,
                static_cast<unsigned long long>(schedules), spent.count(), result);
    std::fflush(stdout);
}

template <int threads>
struct suite : rl::test_suite<suite<threads>, threads> {
    void before() {
        static rl::iteration_t number = 0;
        if (limit != 0 && number == limit) {
            print_result("no fault up to the limit", number);
            std::_Exit(ended_well);
        }
        the_engine.begin_schedule(threads, ++number);
    }
    void thread(unsigned index) { the_engine.run_thread(index); }
    void after() { the_engine.end_schedule(); }
};

template <int threads>
int search(rl::test_params& how) {
    const bool fine = rl::simulate<suite<threads>>(how);
    if (fine) {
        print_result(search_is_random ? "no fault" : "no fault, exhaustive", the_engine.schedules());
        return ended_well;
    }
    the_engine.gave_up();
    the_engine.report(how.test_result == rl::test_result_deadlock   ? "deadlock: nobody wakes the threads that sleep"
                      : how.test_result == rl::test_result_livelock ? "livelock: a schedule does not end"
                                                                    : rl::test_result_str(how.test_result),
                      nullptr);
    return found_fault;
}

int run(rl::test_params& how) {
    switch (chosen->threads) {
        case 2: return search<2>(how);
        case 3: return search<3>(how);
        default: return search<4>(how);
    }
}

int usage() {
    std::fprintf(stderr, "usage: PROGRAM --list | PROGRAM SCENARIO full|boundN|random [MOST SCHEDULES]\n");
    return wrong_usage;
}

bool parse(int count, char** words, rl::test_params& how) {
    if (count < 3 || count > 4) return false;
    for (entry* one = entries; one; one = one->next)
        if (std::strcmp(one->name, words[1]) == 0) chosen = one;
    search_name = words[2];
    if (count == 4) {
        char* end = nullptr;
        limit = std::strtoull(words[3], &end, 10);
        if (*end || limit == 0) return false;
    }
    if (std::strcmp(search_name, "full") == 0) {
        how.search_type = rl::sched_full;
    } else if (std::strncmp(search_name, "bound", 5) == 0 && search_name[5] >= '0' && search_name[5] <= '9') {
        how.search_type = rl::sched_bound;
        how.context_bound = unsigned(search_name[5] - '0');
    } else if (std::strcmp(search_name, "random") == 0 && limit != 0) {
        how.search_type = rl::sched_random;
        how.iteration_count = std::exchange(limit, 0);
        search_is_random = true;
    } else {
        return false;
    }
    return chosen != nullptr;
}

// A wild pointer in the code under test; the fiber's stack may be the reason.
void report_crash(int, siginfo_t*, void* context) {
    const auto& machine = static_cast<ucontext_t*>(context)->uc_mcontext;
    the_engine.report("a crash", reinterpret_cast<const void*>(machine.gregs[REG_RIP]));
    std::_Exit(found_fault);
}

void catch_crashes() {
    static unsigned char stack[64 * 1024];
    const stack_t other{.ss_sp = stack, .ss_flags = 0, .ss_size = sizeof stack};
    sigaltstack(&other, nullptr);
    struct sigaction action{};
    action.sa_sigaction = &report_crash;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    for (int one : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) sigaction(one, &action, nullptr);
}

// Each search runs in a child. It ends with must_restart when it meets an atomic that is written after all.
int run_in_children(rl::test_params& how) {
    for (;;) {
        started = std::chrono::steady_clock::now();
        std::fflush(nullptr);
        const pid_t child = fork();
        if (child == 0) std::_Exit(run(how));
        int status = 0;
        if (child < 0 || waitpid(child, &status, 0) < 0) {
            std::perror("model: fork");
            return wrong_usage;
        }
        const int code = WIFEXITED(status) ? WEXITSTATUS(status) : found_fault;
        if (code == must_restart) continue;
        if (code != ended_well) print_result("FAULT", 0);
        return code;
    }
}

}  // namespace

void add(entry& one) noexcept { one.next = std::exchange(entries, &one); }

}  // namespace model

int main(int count, char** words) {
    using namespace model;
    if (count == 2 && std::strcmp(words[1], "--list") == 0) {
        for (entry* one = entries; one; one = one->next) std::printf("%s\n    %s\n", one->name, one->claim);
        return 0;
    }
    rl::test_params how;
    std::ofstream nothing("/dev/null");
    how.output_stream = how.progress_stream = &nothing;
    how.output_history = true;  // no second run after a fault: the world is not what it was
    how.execution_depth_limit = 4000;
    if (!parse(count, words, how)) return usage();
    catch_crashes();
    the_engine.prepare();
    the_engine.world(chosen->make());
    return run_in_children(how);
}
