// The multi-producer queue and its sleep word.
#include <utility>

#include "engine/model.hpp"
#include "task/inbox.hpp"

namespace {

using co_wq::inbox;
using co_wq::worknode;

struct parcel : worknode {
    parcel(unsigned who, unsigned which) noexcept : worknode(&nothing), sender(who), number(which) {}
    static void nothing(worknode&) noexcept {}
    unsigned sender;
    unsigned number;
};

// Threads 0 to producers - 1 send, the last one receives and frees, and sleeps when there is nothing.
template <unsigned producers, unsigned each>
class delivery : public model::scenario {
public:
    void begin() override { shared_ = new shared; }
    void thread(unsigned index) override {
        if (index == producers) return receive();
        for (unsigned i = 0; i < each; ++i)
            if (shared_->box.push(*new parcel(index, i))) shared_->bell.ring();
    }
    void end() override {
        model::require(shared_->box.take_all() == nullptr, "a node is left over");
        delete shared_;
    }

private:
    struct shared {
        inbox box;
        model::doorbell bell;
        unsigned seen[producers] = {};
    };
    void receive() {
        for (unsigned left = producers * each; left > 0;) {
            worknode* list = shared_->box.take_all();
            if (!list) {
                if (shared_->box.try_sleep()) shared_->bell.wait();
                continue;
            }
            for (; list; --left) {
                auto& one = static_cast<parcel&>(inbox::pop(list));
                model::require(left > 0, "more nodes than were sent");
                model::require(one.number == shared_->seen[one.sender]++, "out of order, lost or twice");
                delete &one;
            }
        }
    }
    shared* shared_ = nullptr;
};

// An inbox and its owner's sleep.
struct side {
    inbox box;
    model::doorbell bell;

    void send(worknode& node) {
        if (box.push(node)) bell.ring();
    }
    worknode* receive_all() {
        for (;;) {
            if (worknode* list = box.take_all()) return list;
            if (box.try_sleep()) bell.wait();
        }
    }
    worknode& receive() {
        worknode* list = receive_all();
        worknode& node = inbox::pop(list);
        model::require(!list, "one node at a time");
        return node;
    }
};

// The receiver gives each node back to its sender, which sends it again: nodes are reused, not freed.
class reuse : public model::scenario {
public:
    void begin() override { shared_ = new shared; }
    void thread(unsigned index) override {
        if (index == 0) {
            shared_->there.send(shared_->one);
            worknode& back = shared_->here.receive();
            model::require(&back == &shared_->one, "another node came back");
            ++shared_->one.number;  // ours again
            shared_->there.send(shared_->one);
        } else {
            for (unsigned round = 0; round < 2; ++round) {
                auto& got = static_cast<parcel&>(shared_->there.receive());
                model::require(got.number == round, "an earlier state of the node");
                if (round == 0) shared_->here.send(got);
            }
        }
    }
    void end() override { delete shared_; }

private:
    struct shared {
        side here, there;
        parcel one{0, 0};
    };
    shared* shared_ = nullptr;
};

// The same node comes to the top of the list again while another sender holds what it saw of the top.
class reuse_in_a_crowd : public model::scenario {
public:
    void begin() override { shared_ = new shared; }
    void thread(unsigned index) override {
        shared& our = *shared_;
        if (index == 0) {
            our.there.send(our.comes_back);
            (void)our.here.receive();
            ++our.comes_back.number;
            our.there.send(our.comes_back);
        } else if (index == 1) {
            our.there.send(our.once);
        } else {
            unsigned first = 0, second = 0;
            while (first + second < 3) {
                for (worknode* list = our.there.receive_all(); list;) {
                    auto& got = static_cast<parcel&>(inbox::pop(list));
                    if (got.sender == 1) {
                        ++second;
                    } else {
                        model::require(got.number == first++, "an earlier state of the node");
                        if (first == 1) our.here.send(got);
                    }
                }
            }
            model::require(first == 2 && second == 1, "a node was lost or came twice");
        }
    }
    void end() override { delete shared_; }

private:
    struct shared {
        side here, there;
        parcel comes_back{0, 0};
        parcel once{1, 0};
    };
    shared* shared_ = nullptr;
};

// An event loop: it may be woken by something else (a kernel event) while it sleeps, and then declares itself awake.
class loop_sleep : public model::scenario {
public:
    void begin() override { shared_ = new shared; }
    void thread(unsigned index) override {
        if (index == 0) {
            bool kernel_event = model::choose(2) == 0;
            for (unsigned got = 0; got < 2;) {
                if (shared_->box.maybe_filled()) {
                    for (worknode* list = shared_->box.take_all(); list; ++got)
                        delete static_cast<parcel*>(&inbox::pop(list));
                    continue;
                }
                if (!shared_->box.try_sleep()) continue;
                if (!std::exchange(kernel_event, false)) shared_->bell.wait();
                shared_->box.stay_awake();
            }
        } else {
            if (shared_->box.push(*new parcel(index, 0))) shared_->bell.ring();
        }
    }
    void end() override { delete shared_; }

private:
    struct shared {
        inbox box;
        model::doorbell bell;
    };
    shared* shared_ = nullptr;
};

const model::registered<delivery<1, 3>> one_producer(
    "inbox_1x3", "three nodes of one producer: each once, in order, freed by the owner, who sleeps between", 2);
const model::registered<delivery<2, 2>> two_producers(
    "inbox_2x2", "two producers of two nodes: each once, in each one's order; no wake-up lost", 3);
const model::registered<delivery<3, 1>> three_producers("inbox_3x1", "three producers of one node", 4);
const model::registered<reuse> again("inbox_reuse", "a node that came back is sent again; its fields are ours", 2);
const model::registered<reuse_in_a_crowd> crowd("inbox_reuse_crowd",
                                                "a node sent again while another sender is between looking and linking",
                                                3);
const model::registered<loop_sleep> loop("inbox_loop", "a loop that other events wake too loses no wake-up", 3);

}  // namespace
