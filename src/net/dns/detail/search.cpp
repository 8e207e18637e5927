#include "net/dns/detail/search.hpp"

#include "net/dns/detail/candidates.hpp"
#include "net/dns/detail/engine.hpp"
#include "net/dns/host_name.hpp"

namespace co_wq::net::dns::detail {
namespace {

const answer_ptr& not_found() {
    static const answer_ptr made = make_answer(errc::name_not_found);
    return made;
}
const answer_ptr& failed() {
    static const answer_ptr made = make_answer(errc::name_server_failed);
    return made;
}
const answer_ptr& closed() {
    static const answer_ptr made = make_answer(errc::closed);
    return made;
}

bool goes_on_after(errc code) noexcept {
    return code == errc::name_not_found || code == errc::name_no_data || code == errc::name_server_failed;
}

}  // namespace

void search::start(engine& from, const std::string& name, const question& what) {
    engine_ = &from;
    queue_ = &from.loop();
    name_ = &name;
    what_ = what;
    if (answer_ptr known = from.known_here(name, what)) {
        final_ = std::move(known);
        return;
    }
    if (what.use_search) rules_ = from.rules();
    count_ = rules_ ? rules_->count(name) : 1;
    from.take_in(*this);
    proceed();
}

// Asks until an answer is not there yet.
void search::proceed() {
    name_room room;
    while (!done()) {
        if (index_ >= count_) {
            finish(worst_ ? worst_ : not_found());
            return;
        }
        const std::string_view name = next_name(room);
        if (name.empty() && name_->size() > 1) {  // would be too long
            ++index_;
            continue;
        }
        const bool other = pending_ != nullptr;
        const record_type type = !other                         ? what_.type
                                 : what_.type == record_type::a ? record_type::aaaa
                                                                : record_type::a;
        engine_->ask(*this, name, type);
        if (!lookup::done() || take(lookup::take())) return;
    }
}

std::string search::full_name() const {
    name_room room;
    return std::string(next_name(room));
}

std::string_view search::next_name(name_room& room) const {
    if (!alias_.empty()) return alias_;
    if (rules_) return rules_->at(*name_, index_, room);
    std::string_view name = *name_;
    if (name.ends_with('.')) name.remove_suffix(1);
    return name;
}

// True: done.
bool search::take(answer_ptr come) {
    if (pending_) {
        if (come->has_value()) return finish(std::move(pending_));
        return take_failure(std::exchange(pending_, nullptr));
    }
    if (!come->has_value()) {
        const bool more = index_ + 1 < count_;
        const errc code = come->error().code();
        if (!goes_on_after(code)) return finish(std::move(come));
        if (!more || !what_.both_families) return take_failure(std::move(come));
        pending_ = std::move(come);  // does the name have addresses of the other family?
        alias_.clear();
        return false;
    }
    const found& content = **come;
    if (!content.alias_only()) return finish(std::move(come));
    std::string target = content.canonical;
    const bool usable = normalize_host_name(target).has_value();
    if (!usable || followed_.size() + content.aliases.size() > alias_max) return take_failure(failed());
    followed_.insert(followed_.end(), content.aliases.begin(), content.aliases.end());
    alias_ = std::move(target);
    return false;
}

bool search::take_failure(answer_ptr come) {
    const auto weight = [](const answer_ptr& one) { return weight_of_name_error(one->error().code()); };
    if (!worst_ || weight(come) > weight(worst_)) worst_ = std::move(come);
    alias_.clear();
    followed_.clear();
    if (++index_ < count_) return false;
    return finish(worst_);
}

bool search::finish(answer_ptr with) noexcept {
    final_ = std::move(with);
    list_hook<search>::unlink();
    return true;
}

// From inside c-ares: only a note that there is something to do.
void search::answered(lookup& self) noexcept {
    auto& me = static_cast<search&>(self);
    if (!me.next_.queued()) me.queue_->post(me.next_);
}

void search::abandon(workqueue& queue) noexcept {
    abandoned_ = true;
    lookup::unlink();
    if (!next_.queued()) queue.post(next_);
}

void search::step_node::run(worknode& self) noexcept { static_cast<step_node&>(self).owner.step(); }

// An answer that has come counts, even when nobody waits any longer.
void search::step() noexcept {
    if (!done() && lookup::done()) take(lookup::take());
    if (!done() && !abandoned_) {
        if (engine_) {
            proceed();
        } else {
            finish(closed());
        }
        if (!done()) return;
    }
    on_done_(*this);
}

}  // namespace co_wq::net::dns::detail
