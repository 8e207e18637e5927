#include "io/usb/context.hpp"

#include "io/usb/detail/core.hpp"

namespace co_wq::io::usb {
namespace {

// Refers to nothing but the state: stream and context may be gone before it ends.
task<result<hotplug_event>> next_of(std::shared_ptr<detail::hotplug_state> stream) {
    for (;;) {
        if (!stream->of) co_return fail(errc::closed);
        if (!stream->events.empty()) {
            result<hotplug_event> oldest(std::move(stream->events.front()));
            stream->events.pop_front();
            co_return oldest;
        }
        stream->changed.reset();
        const result<void> came = co_await stream->changed.wait();
        if (!came) co_return std::unexpected(came.error());
    }
}

}  // namespace

hotplug& hotplug::operator=(hotplug&& other) noexcept {
    if (this != &other) {
        if (state_) detail::core::end_stream(*state_);
        state_ = std::move(other.state_);
    }
    return *this;
}

hotplug::~hotplug() {
    if (state_) detail::core::end_stream(*state_);
}

task<result<hotplug_event>> hotplug::next() const { return next_of(state_); }

result<context> context::open(event_loop& loop) {
    result<std::shared_ptr<detail::core>> made = detail::core::make(loop);
    if (!made) return std::unexpected(made.error());
    return context(std::move(*made));
}

context& context::operator=(context&& other) noexcept {
    if (this != &other) {
        if (core_) core_->close();
        core_ = std::move(other.core_);
    }
    return *this;
}

context::~context() {
    if (core_) core_->close();
}

result<std::vector<device>> context::devices() const { return core_->devices(); }
result<hotplug> context::watch(present with_present) const { return core_->watch(with_present == present::reported); }
std::size_t context::in_flight() const noexcept { return core_->in_flight(); }

}  // namespace co_wq::io::usb
