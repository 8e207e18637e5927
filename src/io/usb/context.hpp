// context: libusb on an event loop; hotplug: devices that come and go, as a stream.
//
// For:        USB devices (libusb 1.0) without a thread of ours: libusb's descriptors and timeouts are the loop's
//             (io/foreign.hpp). libusb itself keeps a thread that sleeps until udev reports a device.
// Guarantees: callbacks of libusb run from the loop, find records of the context and never a waiter. Destroying a
//             context does not block: open devices are closed, transfers in flight are cancelled, waiters end with
//             `closed`, streams too; what the kernel still holds stays with the loop until it is reaped. A loop that
//             dies before that waits for it, at most one second; what the kernel does not give back then is leaked on
//             purpose and named in the log.
// Errors:     open: not_supported (no USB here), too_many_files, ...; devices: out_of_memory; watch: not_supported
//             (libusb without hot-plug), closed.
// Threads:    the loop's own. Lifetime: dies before the loop; devices and streams may outlive it.
//
//   result<usb::context> usb = usb::context::open(loop);
//   const result<std::vector<usb::device>> all = usb->devices();
//   for (const usb::device& one : *all) std::printf("%04x:%04x\n", one.vendor(), one.product());
#pragma once

#include <vector>

#include "io/event_loop.hpp"
#include "io/usb/device.hpp"

namespace co_wq::io::usb {

struct hotplug_event {
    enum class kind : unsigned char { arrived, left };
    kind what{};
    device which;
};

namespace detail {
struct hotplug_state;
}

// Events are kept until they are asked for.
class hotplug {
public:
    hotplug(hotplug&&) noexcept = default;
    hotplug& operator=(hotplug&& other) noexcept;
    ~hotplug();

    // One task at a time. Errors: closed (the stream or its context died meanwhile), stopped, timed_out.
    [[nodiscard]] task<result<hotplug_event>> next() const;

private:
    friend class detail::core;
    explicit hotplug(std::shared_ptr<detail::hotplug_state> state) noexcept : state_(std::move(state)) {}
    std::shared_ptr<detail::hotplug_state> state_;
};

class context {
public:
    static result<context> open(event_loop& loop);
    context(context&&) noexcept = default;
    context& operator=(context&& other) noexcept;
    ~context();

    // Those that are plugged in now.
    result<std::vector<device>> devices() const;
    enum class present : bool { skipped, reported };
    // with_present: devices that are there already are reported as arrived first.
    result<hotplug> watch(present with_present = present::skipped) const;
    // Transfers that the kernel holds.
    std::size_t in_flight() const noexcept;

private:
    explicit context(std::shared_ptr<detail::core> made) noexcept : core_(std::move(made)) {}
    std::shared_ptr<detail::core> core_;
};

}  // namespace co_wq::io::usb
