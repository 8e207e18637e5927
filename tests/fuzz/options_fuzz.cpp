// The proxy's command line: any words are read as options that hold together, as a question for help or the version, or
// as wrong with one line that says why; nothing is thrown, nothing else is printed.
// Input: the words, each ended by a NUL.
#include <algorithm>

#include "fuzzing.hpp"
#include "io/runtime.hpp"
#include "proxy/options.hpp"
#include "proxy/policy/engine.hpp"

namespace {

using namespace co_wq;

// A standard stream that goes to memory for as long as this lives.
class captured {
public:
    explicit captured(FILE*& stream) : stream_(stream), before_(stream) { stream_ = open_memstream(&text_, &size_); }
    captured(const captured&) = delete;
    captured& operator=(const captured&) = delete;
    ~captured() {
        std::fclose(stream_);
        stream_ = before_;
        std::free(text_);
    }
    std::string text() {
        std::fflush(stream_);
        return {text_, size_};
    }

private:
    FILE*& stream_;
    FILE* before_;
    char* text_ = nullptr;
    std::size_t size_ = 0;
};

void expect_one_clear_line(const std::string& text, std::string_view words) {
    const auto seen = [&] { return fuzz::shown(words) + "\nprinted: " + fuzz::shown(text); };
    fuzz::demand(text.starts_with("co_http_proxy: ") && text.ends_with("\n"), "a line that says who speaks", seen);
    fuzz::demand(std::count(text.begin(), text.end(), '\n') == 1, "one line", seen);
    fuzz::demand(std::none_of(text.begin(), text.end() - 1, [](char c) { return (c >= 0 && c < 0x20) || c == 0x7f; }),
                 "nothing that moves a terminal's cursor", seen);
    fuzz::demand(text.find_first_not_of(' ', 15) < text.find(" (--help"), "it says what", seen);
    fuzz::demand(text.size() < 1500, "a line that can be read, even if every byte shown is escaped", seen);
}

void expect_to_hold_together(const proxy::options& chosen, std::string_view words) {
    const auto seen = [&] { return fuzz::shown(words); };
    fuzz::demand(!chosen.rules.listeners.empty(), "it listens somewhere", seen);
    for (const proxy::policy::listener& each : chosen.rules.listeners)
        fuzz::demand(!proxy::policy::serves_everybody(chosen.rules, each), "others are served only if asked for", seen);
    fuzz::demand(chosen.threads >= 1 && chosen.threads <= std::max(1024u, io::usable_cores()), "there are loops", seen);
    fuzz::demand(chosen.reactor != io::reactor_kind::sim, "the reactor is a real one", seen);
    const proxy::limits& most = chosen.limit;
    constexpr duration week = std::chrono::hours(7 * 24);
    for (const duration each : {most.header_timeout, most.keep_alive_timeout, most.connect_timeout, most.idle_timeout,
                                most.response_timeout, most.drain_timeout, most.pool_idle_timeout})
        fuzz::demand(each > duration::zero() && each <= week, "time limits are positive and finite", seen);
    for (const duration each : {most.keep_alive_timeout, most.response_timeout, most.pool_idle_timeout})
        fuzz::demand(each <= most.idle_timeout, "nothing idles for longer than the idle limit", seen);
    fuzz::demand(chosen.log.console == chosen.log.file.empty(), "the log goes somewhere", seen);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string words(reinterpret_cast<const char*>(data), size);
    if (words.empty() || words.back() != '\0') words += '\0';
    std::string name = "co_http_proxy";
    std::vector<char*> arguments{name.data()};
    for (std::size_t at = 0; at < words.size(); at = words.find('\0', at) + 1) arguments.push_back(&words[at]);
    const int count = static_cast<int>(arguments.size());
    arguments.push_back(nullptr);

    proxy::options chosen;
    proxy::parse_outcome outcome;
    std::string out, complaint;
    {
        captured standard_output(stdout), standard_error(stderr);
        outcome = proxy::parse_options(count, arguments.data(), chosen);
        out = standard_output.text();
        complaint = standard_error.text();
    }
    const auto seen = [&] { return fuzz::shown(words) + "\nprinted: " + fuzz::shown(out + complaint); };
    switch (outcome) {
        case proxy::parse_outcome::run:
        case proxy::parse_outcome::explain:
            fuzz::demand(out.empty() && complaint.empty(), "who runs says nothing yet", seen);
            expect_to_hold_together(chosen, words);
            break;
        case proxy::parse_outcome::done:
            fuzz::demand(complaint.empty() && out.contains("co_http_proxy"), "help and version are not errors", seen);
            break;
        case proxy::parse_outcome::wrong:
            fuzz::demand(out.empty(), "what is wrong goes to standard error", seen);
            expect_one_clear_line(complaint, words);
            break;
    }
    return 0;
}
