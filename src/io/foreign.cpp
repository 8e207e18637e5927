#include "io/foreign.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/log.hpp"
#include "io/socket.hpp"
#include "sync/sleep.hpp"
#include "task/yield.hpp"

namespace co_wq::io {
namespace detail {
namespace {

// A descriptor of the library. Shared by the tasks that wait on it, which may outlive its being watched.
struct foreign_watch {
    foreign_core* core = nullptr;  // null: removed
    native_handle handle = no_handle;
    socket registration;
    bool wanted[2] = {};   // by direction
    bool waiting[2] = {};  // by direction: a task serves it
    bool falls_back = false;
};
using watch_ptr = std::shared_ptr<foreign_watch>;

}  // namespace

// What lives on when a bridge is destroyed by its own callback: until the task that called it is left.
class foreign_core {
public:
    foreign_core(event_loop& loop, foreign_descriptors::function on_ready, void* context, const char* name)
        : loop_(loop), on_ready_(on_ready), context_(context), name_(name), tasks_(loop) {}
    foreign_core(const foreign_core&) = delete;
    foreign_core& operator=(const foreign_core&) = delete;
    ~foreign_core() { tasks_.destroy_all(); }

    // The bridge dies.
    void leave() noexcept {
        while (!watched_.empty()) remove(watched_.begin());
        if (calling_) {
            gone_ = true;
        } else {
            delete this;
        }
    }

    result<void> set(native_handle handle, interest wanted, bool known_is_stale) {
        loop_.require_owner();
        auto place = find(handle);
        if (place != watched_.end() && (known_is_stale || wanted.none())) {
            remove(place);
            place = watched_.end();
        }
        if (wanted.none()) return {};
        if (place == watched_.end()) {
            const result<bool> waits = loop_.reactor().calls().has_readiness(handle);
            if (!waits) return std::unexpected(waits.error());
            auto made = std::make_shared<foreign_watch>();
            made->core = this;
            made->handle = handle;
            made->registration = socket(loop_, handle, descriptor_kind::other, false);
            made->falls_back = !*waits;
            place = watched_.insert(watched_.end(), std::move(made));
        }
        want(*place, direction::read, wanted.read);
        want(*place, direction::write, wanted.write);
        return {};
    }

    void remove(native_handle handle) noexcept {
        const auto place = find(handle);
        if (place != watched_.end()) remove(place);
    }
    std::size_t size() const noexcept { return watched_.size(); }
    bool falls_back(native_handle handle) noexcept {
        const auto place = find(handle);
        return place != watched_.end() && (*place)->falls_back;
    }

private:
    using list = std::vector<watch_ptr>;
    static constexpr int ready_in_a_row_max = 16;
    enum class looked : std::uint8_t { ready, not_ready, gone };

    list::iterator find(native_handle handle) noexcept {
        return std::find_if(watched_.begin(), watched_.end(),
                            [handle](const watch_ptr& one) { return one->handle == handle; });
    }

    // Copied: what is wanted may be removed by what is called.
    void remove(list::iterator place) noexcept {
        const watch_ptr on = *place;
        watched_.erase(place);
        on->core = nullptr;
        on->wanted[0] = on->wanted[1] = false;
        on->registration.close();
    }

    void want(const watch_ptr& on, direction way, bool wanted) {
        const auto index = static_cast<std::size_t>(way);
        on->wanted[index] = wanted;
        if (!wanted || on->waiting[index]) return;
        on->waiting[index] = true;
        tasks_.spawn(serve(on, way), name_);
    }

    static task<void> serve(watch_ptr on, direction way);
    static task<looked> look(watch_ptr on, direction way);
    bool call(native_handle handle, direction way) noexcept;

    event_loop& loop_;
    const foreign_descriptors::function on_ready_;
    void* const context_;
    const char* const name_;
    list watched_;
    counting_scope tasks_;
    bool calling_ = false;
    bool gone_ = false;  // the bridge is
};

// False: the bridge died in it, and the core goes as soon as the caller is left.
bool foreign_core::call(native_handle handle, direction way) noexcept {
    calling_ = true;
    on_ready_(context_, handle, way);
    calling_ = false;
    if (!gone_) return true;
    loop_.post_message([owned = std::unique_ptr<foreign_core>(this)] {});
    return false;
}

// Suspends until a call may be worth it. What was removed meanwhile is the caller's to notice.
task<foreign_core::looked> foreign_core::look(watch_ptr on, direction way) {
    if (on->falls_back) {
        (void)co_await sleep_for(foreign_descriptors::fallback_interval);
        if (!on->core) co_return looked::not_ready;
    }
    const result<void> ready = co_await on->registration.ready(way);
    if (ready) co_return looked::ready;
    const errc why = ready.error().code();
    // with chaos (io/chaos.hpp) a wait may end for nothing
    if (!on->core || why == errc::stopped || why == errc::timed_out) co_return looked::not_ready;
    if (why == errc::closed) co_return looked::gone;
    if (!std::exchange(on->falls_back, true))
        log::warn("{}: descriptor {} cannot be watched ({}): it is looked at every millisecond", on->core->name_,
                  on->handle, ready.error().message());
    co_return looked::not_ready;
}

// Never ready in a row for long: time has to pass, in a simulation too, where it stands still while anything can run.
task<void> foreign_core::serve(watch_ptr on, direction way) {
    const auto index = static_cast<std::size_t>(way);
    for (int in_a_row = 0; on->wanted[index];) {
        const op_counters& operations = on->core->loop_.slots().counters();
        const std::uint64_t before = operations.started;
        const looked found = co_await look(on, way);
        if (!on->wanted[index]) break;
        in_a_row = operations.started == before ? in_a_row + 1 : 0;
        if (found == looked::not_ready) continue;
        foreign_core& me = *on->core;
        if (found == looked::gone) me.remove(on->handle);
        const bool alive = me.call(on->handle, way);
        if (!alive || !on->wanted[index]) break;
        if (in_a_row < ready_in_a_row_max) {
            co_await yield();
        } else {
            in_a_row = 0;
            (void)co_await sleep_for(timer_queue::tick);
        }
    }
    on->waiting[index] = false;
}

}  // namespace detail

foreign_descriptors::foreign_descriptors(event_loop& loop, function on_ready, void* context, const char* name)
    : core_(new detail::foreign_core(loop, on_ready, context, name)) {
    loop.require_owner();
}

foreign_descriptors::~foreign_descriptors() { core_->leave(); }

result<void> foreign_descriptors::add(native_handle handle, interest wanted) {
    return core_->set(handle, wanted, true);
}
result<void> foreign_descriptors::set(native_handle handle, interest wanted) {
    return core_->set(handle, wanted, false);
}
void foreign_descriptors::remove(native_handle handle) noexcept { core_->remove(handle); }
std::size_t foreign_descriptors::size() const noexcept { return core_->size(); }
bool foreign_descriptors::falls_back(native_handle handle) const noexcept { return core_->falls_back(handle); }

foreign_timer::foreign_timer(event_loop& loop, function on_time, void* context) noexcept
    : timer(&expired), loop_(loop), on_time_(on_time), context_(context) {}

void foreign_timer::set(duration wait) noexcept { set_at(saturating_add(loop_.now(), wait)); }

void foreign_timer::set_at(time_point due) noexcept {
    loop_.require_owner();
    due_ = due;
    timer::cancel();
    if (due != no_deadline) loop_.timers()->arm(*this, due);
}

// The call may destroy the timer.
void foreign_timer::expired(timer& self) noexcept {
    auto& me = static_cast<foreign_timer&>(self);
    me.on_time_(me.context_);
}

}  // namespace co_wq::io
