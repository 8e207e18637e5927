// channel: values between two loops, whose receiver goes on, is cancelled or dies.
#include "scenarios/loop.hpp"
#include "sync/channel.hpp"

namespace {

using namespace co_wq;

enum class ending { waits, cancels, destroys };

// Thread 0's task sends, thread 1's receives and then closes.
template <ending how, std::size_t capacity, int count>
class channel_model : public model::scenario {
public:
    void begin() override {
        from_.belongs_to(0);
        to_.belongs_to(1);
        shared_ = new shared(from_, to_);
    }
    void thread(unsigned index) override {
        shared& our = *shared_;
        if (index == 0) {
            our.sending.spawn(sends(our), "sender");
            from_.run_until([&] { return our.sending.empty() && from_.slots().live() == 0; });
            return;
        }
        our.receiving.spawn(receives(our), "receiver");
        to_.run_once();
        if (how == ending::cancels) our.receiving.request_stop(errc::stopped);
        if (how == ending::destroys) our.receiving.destroy_all();
        to_.run_until([&] { return our.receiving.empty() && to_.slots().live() == 0; });
        our.values.close();
    }
    void end() override {
        shared& our = *shared_;
        while (auto left = our.values.try_recv())
            model::require(*left == our.received++, "a value left is another one");
        model::require(our.sent == our.received, "a value that was taken got lost, or came twice");
        if (how == ending::waits) model::require(our.received == count, "a value did not arrive");
        delete shared_;
        from_.require_quiet();
        to_.require_quiet();
    }

private:
    struct shared {
        shared(workqueue& from, workqueue& to) : sending(from), receiving(to) {}
        channel<int> values{capacity};
        int sent = 0;
        int received = 0;
        counting_scope sending;
        counting_scope receiving;
    };
    static task<void> sends(shared& our) {
        for (int i = 0; i < count; ++i) {
            auto taken = co_await our.values.send(int(i));
            if (!taken) co_return;
            ++our.sent;
        }
    }
    static task<void> receives(shared& our) {
        for (int i = 0; i < count; ++i) {
            auto value = co_await our.values.recv();
            if (!value) co_return;
            model::require(*value == our.received, "out of order, lost or twice");
            ++our.received;
        }
    }
    model::loop from_{"sender"};
    model::loop to_{"receiver"};
    shared* shared_ = nullptr;
};

const model::registered<channel_model<ending::waits, 0, 2>> meets("channel_meeting", "two values hand to hand", 2);
const model::registered<channel_model<ending::cancels, 0, 1>> meets_cancel(
    "channel_meeting_cancel", "capacity 0; the receiver is cancelled: what send took is received", 2);
const model::registered<channel_model<ending::destroys, 0, 1>> meets_destroy(
    "channel_meeting_destroy", "capacity 0; the receiver dies: what send took is in the channel", 2);
const model::registered<channel_model<ending::waits, 1, 2>> stores("channel_stored", "two values through one place", 2);
const model::registered<channel_model<ending::destroys, 1, 2>> stores_destroy(
    "channel_stored_destroy", "one place; the receiver dies: what send took is received or in the channel", 2);

}  // namespace
