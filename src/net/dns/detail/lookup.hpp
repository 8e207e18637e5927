// lookup: one waiter's interest in the answer to one name and type.
//
// For:        searches. It is the line between tasks, which may die at any time, and c-ares, whose callbacks cannot be
//             taken back: those find the name_record, and the record's list of lookups, from which a dying lookup
//             unlinks itself.
// Guarantees: on_answer is called at most once, never from inside engine::ask, and must not run user code: it posts
//             or sets an event.
// Threads:    the loop's own. Lifetime: lookups and records die in any order.
#pragma once

#include <utility>

#include "base/intrusive_list.hpp"
#include "net/dns/detail/answer.hpp"

namespace co_wq::net::dns::detail {

class lookup : public list_hook<lookup> {
public:
    using function = void (*)(lookup& self) noexcept;
    explicit lookup(function on_answer) noexcept : on_answer_(on_answer) {}

    bool done() const noexcept { return answer_ != nullptr; }
    // Once it is done.
    const answer& get() const noexcept { return *answer_; }

    // For the engine: the answer was known.
    void set(answer_ptr known) noexcept { answer_ = std::move(known); }
    // For the engine: the answer has come.
    void deliver(answer_ptr come) noexcept {
        answer_ = std::move(come);
        on_answer_(*this);
    }
    // For the next question.
    answer_ptr take() noexcept { return std::exchange(answer_, nullptr); }

private:
    const function on_answer_;
    answer_ptr answer_;
};

}  // namespace co_wq::net::dns::detail
