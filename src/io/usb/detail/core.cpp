#include "io/usb/detail/core.hpp"

#include <libusb.h>
#include <poll.h>

#include <algorithm>

#include "base/log.hpp"

namespace co_wq::io::usb::detail {
namespace {

constexpr duration shutdown_limit = std::chrono::seconds(1);

timeval timeval_of(duration wait) noexcept {
    const auto whole = std::chrono::duration_cast<std::chrono::microseconds>(wait).count();
    return {static_cast<time_t>(whole / 1'000'000), static_cast<suseconds_t>(whole % 1'000'000)};
}

interest interest_of(short events) noexcept {
    return {.read = (events & POLLIN) != 0, .write = (events & POLLOUT) != 0};
}

int on_hotplug(libusb_context*, libusb_device* which, libusb_hotplug_event what, void* self) {
    auto& stream = *static_cast<hotplug_state*>(self);
    if (stream.of) stream.of->report(stream, which, what == LIBUSB_HOTPLUG_EVENT_DEVICE_ARRIVED);
    return 0;  // go on
}

// What a loop left behind that died with transfers in flight; named here so that it is not lost.
std::vector<std::shared_ptr<core>>& leaked() {
    static auto* const all = new std::vector<std::shared_ptr<core>>;
    return *all;
}

}  // namespace

// ---- open_file

open_file::open_file(std::shared_ptr<core> of, libusb_device_handle* native) noexcept
    : core_(std::move(of)), native_(native) {}

open_file::~open_file() {
    unlink();  // the core may go with the last file
    libusb_close(native_);
}

void open_file::close() noexcept {
    if (std::exchange(closed_, true)) return;
    core_->cancel_all(*this, errc::closed);
}

// ---- core

result<std::shared_ptr<core>> core::make(event_loop& loop) {
    loop.require_owner();
    libusb_context* native = nullptr;
    if (const int refused = libusb_init(&native); refused != 0) return std::unexpected(error_of_code(refused));
    return std::make_shared<core>(loop, native);
}

core::core(event_loop& loop, libusb_context* native) : guest(&evict), loop_(loop), native_(native) {
    bridge_.emplace(loop, &on_ready, this, "usb");
    libusb_set_pollfd_notifiers(native_, &on_added, &on_removed, this);
    if (const libusb_pollfd** all = libusb_get_pollfds(native_)) {
        for (const libusb_pollfd** one = all; *one; ++one) on_added((*one)->fd, (*one)->events, this);
        libusb_free_pollfds(all);
    }
    if (!libusb_pollfds_handle_timeouts(native_)) timer_.emplace(loop, &on_time, this);
    loop.host(*this);
}

core::~core() {
    while (transfer_record* one = free_.pop_front()) delete one;
    libusb_exit(native_);
}

void core::on_added(int handle, short events, void* self) {
    auto& me = *static_cast<core*>(self);
    if (!me.bridge_) return;
    if (const result<void> added = me.bridge_->add(handle, interest_of(events)); !added)
        log::error("usb: descriptor {} cannot be watched: {}", handle, added.error().message());
}

void core::on_removed(int handle, void* self) {
    auto& me = *static_cast<core*>(self);
    if (me.bridge_) me.bridge_->remove(handle);
}

void core::on_ready(void* self, native_handle, direction) noexcept { static_cast<core*>(self)->process({}); }
void core::on_time(void* self) noexcept { static_cast<core*>(self)->process({}); }

// libusb looks at all its descriptors itself.
void core::process(duration wait) noexcept {
    const std::shared_ptr<core> alive = shared_from_this();
    timeval most = timeval_of(wait);
    (void)libusb_handle_events_timeout_completed(native_, &most, nullptr);
    std::exchange(let_go_, {}).clear();
    set_timer();
}

void core::set_timer() noexcept {
    if (!timer_) return;
    timeval left{};
    if (libusb_get_next_timeout(native_, &left) == 1) {
        timer_->set(std::chrono::seconds(left.tv_sec) + std::chrono::microseconds(left.tv_usec));
    } else {
        timer_->cancel();
    }
}

void core::close() noexcept {
    if (std::exchange(closed_, true)) return;
    for (open_file* file = open_.first(); file; file = open_.after(*file)) file->close();
    while (hotplug_state* stream = streams_.first()) end_stream(*stream);
}

// ---- transfers

transfer_record& core::take_record() {
    if (transfer_record* used = free_.pop_front()) return *used;
    return *new transfer_record(*this);
}

void core::began(transfer_record& one) noexcept {
    one.since = loop_.now();
    flying_.push_back(one);
    ++in_flight_;
    set_timer();
}

void core::ended(transfer_record& one) noexcept {
    CO_WQ_ASSERT(in_flight_ > 0, "a transfer ends once");
    --in_flight_;
    one.unlink();
    one.buffer = {};
    let_go_.push_back(std::move(one.file));
    give_back(one);
}

void core::cancel_all(const open_file& of, errc reason) noexcept {
    for (transfer_record* one = flying_.first(); one; one = flying_.after(*one))
        if (one->file.get() == &of) one->cancel(reason);
}

// ---- the loop dies

void core::evict(co_wq::detail::guest& self) noexcept {
    const std::shared_ptr<core> me = static_cast<core&>(self).shared_from_this();
    me->close();
    for (transfer_record* one = me->flying_.first(); one; one = me->flying_.after(*one)) one->cancel(errc::closed);
    const time_point limit = steady_now() + shutdown_limit;
    while (me->in_flight_ > 0 && steady_now() < limit) me->process(std::chrono::milliseconds(10));
    me->timer_.reset();
    me->bridge_.reset();
    if (me->in_flight_ == 0) return;
    me->name_what_is_left();
    leaked().push_back(me);
}

void core::name_what_is_left() noexcept {
    for (transfer_record* one = flying_.first(); one; one = flying_.after(*one)) {
        const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(loop_.now() - one->since).count();
        log::error(
            "usb: the kernel still holds a transfer on endpoint {:#04x}, {} ms old; its memory is leaked on purpose",
            one->native->endpoint, age);
    }
}

// ---- devices

result<std::vector<device>> core::devices() {
    libusb_device** list = nullptr;
    const ssize_t count = libusb_get_device_list(native_, &list);
    if (count < 0) return std::unexpected(error_of_code(static_cast<int>(count)));
    std::vector<device> all;
    for (ssize_t i = 0; i < count; ++i) all.push_back(device(shared_from_this(), list[i]));
    libusb_free_device_list(list, 1);
    return all;
}

result<std::shared_ptr<open_file>> core::open(libusb_device* which) {
    loop_.require_owner();
    if (closed_) return fail(errc::closed);
    libusb_device_handle* native = nullptr;
    if (const int refused = libusb_open(which, &native); refused != 0) return std::unexpected(error_of_code(refused));
    libusb_set_auto_detach_kernel_driver(native, 1);
    auto made = std::make_shared<open_file>(shared_from_this(), native);
    open_.push_back(*made);
    return made;
}

// ---- hot-plug

result<hotplug> core::watch(bool with_present) {
    if (closed_) return fail(errc::closed);
    if (!libusb_has_capability(LIBUSB_CAP_HAS_HOTPLUG)) return fail(errc::not_supported);
    auto stream = std::make_shared<hotplug_state>();
    stream->of = shared_from_this();
    streams_.push_back(*stream);
    const int refused = libusb_hotplug_register_callback(
        native_, LIBUSB_HOTPLUG_EVENT_DEVICE_ARRIVED | LIBUSB_HOTPLUG_EVENT_DEVICE_LEFT,
        with_present ? LIBUSB_HOTPLUG_ENUMERATE : LIBUSB_HOTPLUG_NO_FLAGS, LIBUSB_HOTPLUG_MATCH_ANY,
        LIBUSB_HOTPLUG_MATCH_ANY, LIBUSB_HOTPLUG_MATCH_ANY, &on_hotplug, stream.get(), &stream->callback);
    if (refused != 0) {
        stream->unlink();
        stream->of.reset();
        return std::unexpected(error_of_code(refused));
    }
    return hotplug(std::move(stream));
}

void core::report(hotplug_state& stream, libusb_device* which, bool arrived) {
    // libusb may say twice that a device is there, from its list and from its messages
    const auto known = std::find(stream.here.begin(), stream.here.end(), which);
    if (arrived && known != stream.here.end()) return;
    if (arrived) {
        stream.here.push_back(which);
    } else if (known != stream.here.end()) {
        stream.here.erase(known);
    }
    const auto what = arrived ? hotplug_event::kind::arrived : hotplug_event::kind::left;
    stream.events.push_back(hotplug_event{what, device(shared_from_this(), which)});
    stream.changed.set();
}

// What has not been taken is dropped: its devices would keep the core.
void core::end_stream(hotplug_state& stream) noexcept {
    const std::shared_ptr<core> of = std::exchange(stream.of, nullptr);
    if (!of) return;
    stream.unlink();
    libusb_hotplug_deregister_callback(of->native_, stream.callback);
    stream.events.clear();
    stream.changed.set();
}

}  // namespace co_wq::io::usb::detail
