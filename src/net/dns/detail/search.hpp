// search: one question of one waiter, from the name as it was given to the answer that counts.
//
//   start --answers that are known--> done
//     \--has to wait--> linked to a record --answer--> stepping (queued) --next name, alias--> linked ...
//                                                                        \--> done, on_done
//
// For:        awaited_lookup and connect_host. A name may stand for several full ones (search list), and a full one for
//             another (alias, where the server did not follow it itself): they are asked for one after the other, each
//             through the cache, so that no question depends on who waits for it.
// Guarantees: on_done is called at most once, from a turn of the loop, never from inside start or c-ares; the search
// may
//             be gone afterwards. A search that dies takes its steps along and leaves the questions in flight alone.
//             With the search list the first full name that has addresses of any family is the one: its other family
//             is not looked for under another name, which may be another machine.
// Threads:    the loop's own. Lifetime: may outlive the engine; it ends with `closed` then.
#pragma once

#include <string>
#include <string_view>

#include "net/dns/detail/lookup.hpp"
#include "net/dns/detail/system_config.hpp"
#include "task/workqueue.hpp"

namespace co_wq::net::dns::detail {

class engine;

struct question {
    record_type type = record_type::a;
    bool use_hosts = true;
    bool use_search = true;
    bool both_families = false;  // the other family is asked for too, under the same name
};

class search : private lookup, public list_hook<search> {
public:
    using function = void (*)(search& self) noexcept;
    explicit search(function on_done) noexcept : lookup(&answered), on_done_(on_done) {}

    bool started() const noexcept { return name_ != nullptr; }
    bool done() const noexcept { return final_ != nullptr; }
    // Once it is done.
    const answer& get() const noexcept { return *final_; }
    // Those that were followed here and not by the server: they come before the answer's own.
    const std::vector<std::string>& followed() const noexcept { return followed_; }
    const std::string& name() const noexcept { return *name_; }
    // Once it is done: the full name whose answer it is.
    std::string full_name() const;
    // Null: it died.
    engine* from() const noexcept { return engine_; }
    time_point now() const noexcept { return queue_->now(); }

    // Of the engine only. name is normalized and outlives the search.
    void start(engine& from, const std::string& name, const question& what);

protected:
    // Waits for nothing any more; on_done comes from a turn of the loop unless it is done.
    void abandon(workqueue& queue) noexcept;

private:
    friend class engine;
    struct step_node : worknode {
        explicit step_node(search& of) noexcept : worknode(&run), owner(of) {}
        static void run(worknode& self) noexcept;
        search& owner;
    };

    static void answered(lookup& self) noexcept;
    void step() noexcept;
    void proceed();
    bool take(answer_ptr come);
    bool take_failure(answer_ptr come);
    bool finish(answer_ptr with) noexcept;
    std::string_view next_name(name_room& room) const;

    const function on_done_;
    engine* engine_ = nullptr;
    workqueue* queue_ = nullptr;
    const std::string* name_ = nullptr;
    question what_;
    std::shared_ptr<const search_rules> rules_;
    std::size_t index_ = 0, count_ = 0;
    std::string alias_;  // what is asked for instead of the index-th name
    std::vector<std::string> followed_;
    answer_ptr pending_;  // of our own type, while the other family's is looked at
    answer_ptr worst_;  // what is said if no name has an answer
    answer_ptr final_;
    bool abandoned_ = false;
    step_node next_{*this};
};

}  // namespace co_wq::net::dns::detail
