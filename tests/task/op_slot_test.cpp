// The slot diagram of task/op_slot.hpp, every action in every state: what is drawn happens, the rest is reported.
#include "task/op_slot.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "task/op_waiter.hpp"
#include "task/sync_wait.hpp"

namespace co_wq {
namespace {

class nobody final : public op_waiter {
public:
    nobody() noexcept : op_waiter(ops, [](cancel_node&, errc, list&) noexcept {}) {}

private:
    static constexpr awaiter_ops ops{"nobody"};
};

enum class action { arm, request_cancel, finish, deliver, retire, abandon, withdraw };

constexpr const char* name_of(action what) {
    constexpr const char* names[] = {"arm", "request_cancel", "finish", "deliver", "retire", "abandon", "withdraw"};
    return names[static_cast<int>(what)];
}

// One slot in a state, and everything around it.
class one_slot {
public:
    explicit one_slot(op_state wanted) : slot_(&slab().fill(op_kind::recv, &waiter_)) {
        if (wanted == op_state::filled) return;
        slab().arm(*slot_);
        if (wanted == op_state::cancel_requested) slab().request_cancel(*slot_);
        if (wanted == op_state::orphaned) slab().abandon(*slot_);
        if (wanted == op_state::posted) slab().finish(*slot_, 1);
        EXPECT_EQ(slot_->state(), wanted);
    }
    ~one_slot() {
        const op_state left = slot_->state();
        if (left == op_state::filled || left == op_state::armed || left == op_state::cancel_requested)
            slab().withdraw(*slot_);
        if (left == op_state::orphaned) slab().finish(*slot_, 0);
        if (left == op_state::posted) slab().abandon(*slot_);
        queue_.run_ready();  // drains an abandoned slot as a no-op
        EXPECT_EQ(slab().live(), 0u);
        EXPECT_EQ(slab().counters().in_flight(), 0u);
    }

    void act(action what) {
        switch (what) {
            case action::arm: return slab().arm(*slot_);
            case action::request_cancel: said_ = slab().request_cancel(*slot_); return;
            case action::finish: return slab().finish(*slot_, 0);
            case action::deliver: return slab().deliver(*slot_, 0);
            case action::retire: return slab().retire(*slot_, 0);
            case action::abandon: said_ = slab().abandon(*slot_); return;
            case action::withdraw: return slab().withdraw(*slot_);
        }
    }
    op_state state() const { return slot_->state(); }
    bool said() const { return said_; }

private:
    op_slab& slab() { return queue_.slots(); }

    bare_workqueue queue_;
    nobody waiter_;
    op_slot* slot_;
    bool said_ = false;
};

struct transition {
    op_state from;
    action what;
    op_state to;
    bool says = false;
};
using enum op_state;
constexpr transition legal[] = {
    {filled, action::arm, armed},
    {filled, action::request_cancel, filled},
    {filled, action::abandon, op_state::free},
    {filled, action::withdraw, op_state::free},
    {armed, action::request_cancel, cancel_requested, true},
    {armed, action::finish, posted},
    {armed, action::retire, op_state::free},
    {armed, action::abandon, orphaned, true},
    {armed, action::withdraw, op_state::free},
    {cancel_requested, action::request_cancel, cancel_requested},
    {cancel_requested, action::finish, posted},
    {cancel_requested, action::retire, op_state::free},
    {cancel_requested, action::abandon, orphaned, true},
    {cancel_requested, action::withdraw, op_state::free},
    {orphaned, action::request_cancel, orphaned},
    {orphaned, action::finish, op_state::free},
    {orphaned, action::retire, op_state::free},
    {posted, action::request_cancel, posted},
    {posted, action::abandon, posted},
};

TEST(op_slot, makes_the_transitions_that_are_drawn) {
    for (const transition& one : legal) {
        SCOPED_TRACE(std::string(name_of(one.from)) + " " + name_of(one.what));
        one_slot under_test(one.from);
        under_test.act(one.what);
        EXPECT_EQ(under_test.state(), one.to);
        EXPECT_EQ(under_test.said(), one.says);
    }
}

TEST(op_slot_death, any_other_transition_is_reported) {
    for (const op_state from : {filled, armed, cancel_requested, orphaned, posted}) {
        for (int which = 0; which <= static_cast<int>(action::withdraw); ++which) {
            const auto what = static_cast<action>(which);
            bool drawn = from == armed && what == action::deliver;  // needs a frame: the rest of the tests do it
            for (const transition& one : legal) drawn |= one.from == from && one.what == what;
            if (drawn) continue;
            SCOPED_TRACE(std::string(name_of(from)) + " " + name_of(what));
            EXPECT_DEATH(one_slot(from).act(what), std::string("recv #1 in state ") + name_of(from));
        }
    }
}

// Chunks of slots come several at a time: every slot of each of them knows its slab and is found by its tag.
TEST(op_slot, very_many_know_their_slab_and_are_found) {
    bare_workqueue queue;
    op_slab& slab = queue.slots();
    nobody waiter;
    constexpr std::size_t many = 64 * 50 + 1;
    for (int round = 0; round < 2; ++round) {
        std::vector<op_slot*> all;
        std::set<op_slot*> different;
        for (std::size_t i = 0; i < many; ++i) all.push_back(&slab.fill(op_kind::recv, &waiter));
        for (op_slot* one : all) {
            ASSERT_EQ(&one->slab(), &slab);
            ASSERT_EQ(slab.find(one->tag()), one);
            different.insert(one);
        }
        EXPECT_EQ(different.size(), many);
        EXPECT_EQ(slab.live(), many);
        for (op_slot* one : all) slab.withdraw(*one);
        EXPECT_EQ(slab.live(), 0u);
    }
}

TEST(op_slot, a_tag_of_an_earlier_use_finds_nothing_and_is_counted) {
    bare_workqueue queue;
    nobody waiter;
    op_slab& slab = queue.slots();
    op_slot& slot = slab.fill(op_kind::recv, &waiter);
    const op_tag first = slot.tag();
    EXPECT_EQ(slab.find(first), &slot);
    slab.withdraw(slot);
    EXPECT_EQ(slab.find(first), nullptr);
    op_slot& again = slab.fill(op_kind::recv, &waiter);
    EXPECT_EQ(&again, &slot);
    EXPECT_NE(again.tag(), first);
    EXPECT_EQ(slab.find(first), nullptr);
    EXPECT_EQ(slab.find({4711, 1}), nullptr);
    EXPECT_EQ(slab.find({}), nullptr);
    EXPECT_EQ(slab.counters().stale, 4u);
    slab.withdraw(again);
}

}  // namespace
}  // namespace co_wq
