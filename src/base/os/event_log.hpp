// event_log: the log of the system itself, where administrators look first and other programs write, too.
//
// For:        Windows. Elsewhere open and both registrations are not_supported, and report does nothing: what a program
//             writes to standard error goes to the journal there.
// Guarantees: report never waits for a reader. Events have the id 1 (information), 2 (warning) or 3 (error), and the
//             text as their only string; no category.
// Threads:    one at a time. Lifetime: any.
// Registered: a source is shown with its text alone once it is registered, with the messages of EventCreate.exe, which
//             every Windows has; before, the viewer puts a sentence before it. Only administrators may; a source that
//             somebody else registered is left as it is.
// Errors:     permission_denied, invalid_argument (no text of UTF-8, or a name with a backslash).
// Source:     RegisterEventSourceW, ReportEventW ("31,839 characters", "%n"), "Event Sources".
//
//   result<os::event_log> log = os::event_log::open("co_http_proxy");
//   if (log) log->report(os::event_log::kind::warning, "the disk is full");
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/result.hpp"

namespace co_wq::os {

class event_log {
public:
    enum class kind : unsigned char { information = 1, warning = 2, error = 3 };

    event_log() noexcept = default;
    event_log(event_log&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    event_log& operator=(event_log&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~event_log();

    static result<event_log> open(const std::string& source);
    // A longer text is cut; "%" before a digit, which the viewer would replace, gets a blank behind it.
    void report(kind what, std::string_view text) noexcept;

private:
    void* handle_ = nullptr;
};

result<void> register_event_source(const std::string& source);
// Nothing, if it is not there.
result<void> forget_event_source(const std::string& source);

}  // namespace co_wq::os
