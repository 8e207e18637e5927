#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <string_view>
#include <vector>

#include "base/os/windows_service.hpp"
#include "io/signal.hpp"
#include "proxy/options.hpp"
#include "proxy/service.hpp"
#include "proxy/version.hpp"

namespace co_wq::proxy {
namespace {

constexpr std::string_view option_of_services = "--service";

// What people tell a process, and the signals that say so elsewhere.
struct message {
    const char* word;
    int signal;
    int count;
};
const message messages[] = {{"reload", io::signals::hang_up, 1},
                            {"reopen", io::signals::user_1, 1},
                            {"drain", io::signals::terminate, 1},
                            {"end", io::signals::terminate, 2}};

const message* message_of(const std::string& word) noexcept {
    const auto same = [&](const message& each) { return word == each.word; };
    const message* const found = std::find_if(std::begin(messages), std::end(messages), same);
    return found == std::end(messages) ? nullptr : found;
}

// "--name value" and "--name=value": the value, if word number i is that; next: the word behind it.
std::optional<std::string> value_at(const std::vector<std::string>& words, std::size_t i, std::string_view name,
                                    std::size_t& next) {
    const std::string_view word = words[i];
    next = i + 1;
    if (word == name) {
        if (i + 1 == words.size()) return std::nullopt;
        next = i + 2;
        return words[i + 1];
    }
    if (word.starts_with(name) && word.substr(name.size()).starts_with('='))
        return std::string(word.substr(name.size() + 1));
    return std::nullopt;
}

// The words of a service: those that were given, without what concerned its registration.
std::vector<std::string> words_of_service(const std::vector<std::string>& given, const std::string& folder) {
    std::vector<std::string> made{std::string(option_of_services), folder};
    for (std::size_t i = 0, next = 0; i < given.size(); i = next) {
        const bool left_out = value_at(given, i, "--service-name", next) ||
                              value_at(given, i, "--service-account", next) || given[i] == "--install-service";
        if (!left_out) made.push_back(given[i]);
    }
    return made;
}

int complain(const std::string& what) {
    std::fprintf(stderr, "co_http_proxy: %s\n", on_one_line(what).c_str());
    return 1;
}

int install(const options& chosen) {
    const result<std::string> folder = os::current_folder();
    if (!folder && folder.error() == errc::invalid_argument)
        return complain("the folder it is to run in has a name with characters that the system's code page lacks");
    if (!folder) return complain("the folder it is to run in: " + folder.error().message());
    os::service_plan plan;
    plan.name = chosen.service.name;
    plan.account = chosen.service.account;
    plan.description = "A forward proxy for HTTP, CONNECT and SOCKS.";
    plan.words = words_of_service(chosen.self.arguments, *folder);
    plan.stop_time =
        std::chrono::ceil<std::chrono::milliseconds>(chosen.limit.drain_timeout) + std::chrono::seconds(10);
    if (const std::string wrong = os::install_service(plan); !wrong.empty()) return complain(wrong);
    std::printf("service %s is installed for %s; it runs in %s, and starts with the system, or now: sc.exe start %s\n",
                plan.name.c_str(), plan.account.c_str(), folder->c_str(), plan.name.c_str());
    return 0;
}

int remove(const options& chosen) {
    if (const std::string wrong = os::remove_service(chosen.service.name); !wrong.empty()) return complain(wrong);
    std::printf("service %s is removed\n", chosen.service.name.c_str());
    return 0;
}

std::string why_not(error what, int process) {
    const std::string whom = "process " + std::to_string(process);
    if (what == errc::not_found) return "there is no " + whom;
    if (what == errc::permission_denied)
        return whom + " is another user's: only that user and administrators may tell it anything";
    if (what == errc::not_supported) return whom + " takes no such word: it is another program, or has only just begun";
    if (what == errc::limit_exceeded) return whom + " has not taken what it was told before";
    return whom + ": " + what.message();
}

int tell(const service_options& chosen) {
    int process = chosen.process;
    if (process == 0) {
        const std::vector<int> all = os::processes_of_this_name();
        if (all.empty()) return complain("no other co_http_proxy is running");
        if (all.size() > 1) {
            std::string numbers;
            for (const int each : all) numbers += " " + std::to_string(each);
            return complain("several are running: choose one with --pid:" + numbers);
        }
        process = all.front();
    }
    const message& what = *message_of(chosen.tell);  // apply_service_options has refused others
    for (int i = 0; i < what.count; ++i)
        if (const result<void> told = io::queue_signal(process, what.signal, 0); !told)
            return complain(why_not(told.error(), process));
    std::printf("process %d is told to %s\n", process, what.word);
    return 0;
}

// By the same way as signals, so that one place in the program hears all of them.
void on_control(os::service_control what) noexcept {
    const int number = what == os::service_control::stop     ? io::signals::terminate
                       : what == os::service_control::reload ? io::signals::hang_up
                                                             : io::signals::user_1;
    (void)io::queue_signal(os::own_process(), number, 0);
}

struct service_call {
    int count;
    char** words;
    int (*body)(int, char**);
    std::string folder;
};

int run_service_body(const std::string& name, void* context) {
    const auto& call = *static_cast<const service_call*>(context);
    log::options before_others;  // where the command line says, from then on
    before_others.console = false;
    before_others.event_source = name;
    (void)log::configure(before_others);
    os::log_faults();
    if (const result<void> entered = os::enter_folder(call.folder); !entered) {
        log::error("--service {}: {}", on_one_line(call.folder), entered.error().message());
        return 2;
    }
    try {
        return call.body(call.count, call.words);
    } catch (const std::exception& failure) {
        log::error("{}", failure.what());
        return 1;
    }
}

std::string wrong_combination(const service_options& chosen) {
    const int errands = chosen.install + chosen.remove + !chosen.tell.empty();
    if (errands > 1) return "--install-service, --remove-service and --tell: one at a time";
    if (errands > 0 && !chosen.folder.empty()) return "--service: a service does no errands";
    if (chosen.process != 0 && chosen.tell.empty()) return "--pid is for --tell";
    if (!chosen.tell.empty() && !message_of(chosen.tell))
        return "--tell " + chosen.tell + ": one of reload, reopen, drain, end";
    if (chosen.name.empty() || chosen.name.size() > 256 || chosen.name.find_first_of("/\\\"") != std::string::npos)
        return "--service-name: 1 to 256 characters without / \\ and \"";
    return {};
}

}  // namespace

void add_service_options(CLI::App& app, service_options& out) {
    app.add_option("--service", out.folder, "run as a service, in this folder: what --install-service registers")
        ->type_name("FOLDER");
    app.add_flag("--install-service", out.install,
                 "register this program as a service that runs in this folder with the other options, and end");
    app.add_flag("--remove-service", out.remove, "remove the service, and end");
    app.add_option("--service-name", out.name, "its name")->type_name("NAME")->capture_default_str();
    app.add_option("--service-account", out.account, "whom it runs as: an account without a password")
        ->type_name("NAME")
        ->capture_default_str();
    app.add_option("--tell", out.tell, "tell a running one: reload, reopen (its logs), drain or end")
        ->type_name("WORD");
    app.add_option("--pid", out.process, "which one; needed if several are running")
        ->check(CLI::Range(1, 0x7fffffff))
        ->type_name("NUMBER");
    app.add_flag("--event-log", out.event_log, "write to the event log, too, as a service always does");
}

std::string apply_service_options(options& out) {
    const service_options& chosen = out.service;
    if (std::string wrong = wrong_combination(chosen); !wrong.empty()) return wrong;
    if (!chosen.folder.empty() && !os::is_service())
        return "--service is for the service manager: --install-service registers one, sc.exe start begins it";
    if ((chosen.install || os::is_service()) && out.seeing.access_log == "-")
        return "--access-log -: a service has no standard output";
    if (os::is_service()) {
        out.log.console = false;
        out.log.append = true;  // it may be a restart: what was before says why
        out.log.event_source = os::service_name();
    } else if (chosen.event_log) {
        out.log.event_source = chosen.name;
        out.log.console = out.log.file.empty();
    }
    return {};
}

std::optional<int> run_as_service(int count, char** words, int (*body)(int, char**)) {
    const std::vector<std::string> given(words + 1, words + count);
    for (std::size_t i = 0, next = 0; i < given.size(); ++i) {
        const std::optional<std::string> folder = value_at(given, i, option_of_services, next);
        if (!folder) continue;
        service_call call{count, words, body, *folder};
        const result<int> code = os::run_service(&run_service_body, &call, &on_control);
        if (code) return *code;
        if (code.error() == errc::not_supported)
            return std::nullopt;  // nobody's service: the options say what is wrong
        return complain("the service manager: " + code.error().message());
    }
    return std::nullopt;
}

bool runs_as_service() noexcept { return os::is_service(); }

void log_process() { log::milestone("started: version {}, process {}", version_text, os::own_process()); }

int do_errand(const options& chosen) {
    if (chosen.service.install) return install(chosen);
    if (chosen.service.remove) return remove(chosen);
    return tell(chosen.service);
}

const char* const renewal = "a restart";

}  // namespace co_wq::proxy
