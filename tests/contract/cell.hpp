// The cells of the contract matrix: what can happen to a wait, and what must then come of it.
#pragma once

#include <array>
#include <string_view>

namespace co_wq::contract {

enum class cell : unsigned char {
    complete,           // what is waited for comes
    ready,              // it is there already
    error,              // it fails
    cancel,             // a stop token asks for the end
    completing,         // cancelled when what is waited for has come, but not yet reached the waiter
    timeout,            // a deadline passes
    owner_closed,       // the object waited on is closed
    owner_destroyed,    // ... or destroyed
    frame_destroyed,    // the waiting frame is: while it waits, when its result has come, when it was cancelled
    scope_cancelled,    // the surrounding cancel scope is cancelled
    runtime_stopping,   // the loop is asked to stop
    runtime_destroyed,  // ... or dies
};
inline constexpr std::array cells{cell::complete,
                                  cell::ready,
                                  cell::error,
                                  cell::cancel,
                                  cell::completing,
                                  cell::timeout,
                                  cell::owner_closed,
                                  cell::owner_destroyed,
                                  cell::frame_destroyed,
                                  cell::scope_cancelled,
                                  cell::runtime_stopping,
                                  cell::runtime_destroyed};

constexpr const char* name_of(cell one) {
    constexpr const char* names[] = {
        "complete",     "ready",           "error",        "cancel",          "completing",       "timeout",
        "owner closed", "owner destroyed", "frame destr.", "scope cancelled", "runtime stopping", "runtime destr."};
    return names[static_cast<unsigned>(one)];
}

// Has no default: a plan that leaves a cell out does not compile.
class expectation {
public:
    enum class kind : unsigned char {
        ends,      // with one of the texts, divided by |
        at_once,   // the same, without having been suspended
        outlasts,  // goes on as if nothing had happened, and ends with the text when it is completed
        gone,      // the frame dies and nobody is resumed
        faults,    // the program is told, with a message that holds the text
        none,      // cannot happen; the text says why
    };

    constexpr kind how() const noexcept { return how_; }
    constexpr const char* text() const noexcept { return text_; }
    bool allows(std::string_view outcome) const noexcept {
        for (std::string_view rest = text_; !rest.empty();) {
            const std::size_t end = rest.find('|');
            if (rest.substr(0, end) == outcome) return true;
            rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
        }
        return false;
    }

private:
    friend consteval expectation ends(const char* texts);
    friend consteval expectation at_once(const char* texts);
    friend consteval expectation outlasts(const char* texts);
    friend consteval expectation gone();
    friend consteval expectation faults(const char* part);
    friend consteval expectation none(const char* reason);
    // Not a constant expression when a text is missing.
    consteval expectation(kind how, const char* text) : how_(how), text_(text) {
        if (!text || !*text) throw "an expectation has a text";
    }

    kind how_;
    const char* text_;
};

consteval expectation ends(const char* texts) { return {expectation::kind::ends, texts}; }
consteval expectation at_once(const char* texts) { return {expectation::kind::at_once, texts}; }
consteval expectation outlasts(const char* texts) { return {expectation::kind::outlasts, texts}; }
consteval expectation gone() { return {expectation::kind::gone, "gone"}; }
consteval expectation faults(const char* part) { return {expectation::kind::faults, part}; }
consteval expectation none(const char* reason) { return {expectation::kind::none, reason}; }

// One member for each cell, under its name.
struct plan {
    expectation complete;
    expectation ready;
    expectation error;
    expectation cancel;
    expectation completing;
    expectation timeout;
    expectation owner_closed;
    expectation owner_destroyed;
    expectation frame_destroyed;
    expectation scope_cancelled;
    expectation runtime_stopping;
    expectation runtime_destroyed;

    constexpr const expectation& at(cell one) const noexcept {
        switch (one) {
            case cell::complete: return complete;
            case cell::ready: return ready;
            case cell::error: return error;
            case cell::cancel: return cancel;
            case cell::completing: return completing;
            case cell::timeout: return timeout;
            case cell::owner_closed: return owner_closed;
            case cell::owner_destroyed: return owner_destroyed;
            case cell::frame_destroyed: return frame_destroyed;
            case cell::scope_cancelled: return scope_cancelled;
            case cell::runtime_stopping: return runtime_stopping;
            case cell::runtime_destroyed: break;
        }
        return runtime_destroyed;
    }
};

}  // namespace co_wq::contract
