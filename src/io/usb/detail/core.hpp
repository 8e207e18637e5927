// core, open_file, transfer_record: what libusb and the kernel may hold, so that it lives until they let go.
//
// Why:        a transfer is over when it is reaped, not when its waiter is gone. libusb is given a record; the record
//             holds buffer and open_file, the open_file holds the core. References that go inside a callback of libusb
//             are dropped behind it, because closing a device there is not allowed.
// Threads:    the loop's own.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "base/intrusive_list.hpp"
#include "io/event_loop.hpp"
#include "io/foreign.hpp"
#include "io/usb/context.hpp"
#include "sync/event.hpp"

struct libusb_context;
struct libusb_device_handle;
struct libusb_transfer;

namespace co_wq::io::usb::detail {

error error_of_code(int libusb_code) noexcept;

class transfer_record : public list_hook<transfer_record> {
public:
    explicit transfer_record(core& of);
    transfer_record(const transfer_record&) = delete;
    ~transfer_record();

    // In flight; the first reason counts.
    void cancel(errc reason) noexcept;

    core& owner;
    libusb_transfer* const native;
    std::shared_ptr<open_file> file;  // while it is in flight
    transfer_buffer buffer;
    transfer_awaiter* waiter = nullptr;  // null: nobody waits any more
    time_point since{};
    errc reason = errc::stopped;
    bool cancel_asked = false;
};

// An open device; closed when the last transfer on it was reaped.
class open_file : public std::enable_shared_from_this<open_file>, public list_hook<open_file> {
public:
    open_file(std::shared_ptr<core> of, libusb_device_handle* native) noexcept;
    open_file(const open_file&) = delete;
    ~open_file();

    void close() noexcept;
    bool closed() const noexcept { return closed_; }
    core& owner() const noexcept { return *core_; }
    libusb_device_handle* native() const noexcept { return native_; }
    // The kernel has it from then on, unless there is an error: then the buffer is still the awaiter's.
    result<void> start(transfer_awaiter& waiter);

private:
    friend class core;
    static void on_done(libusb_transfer* native) noexcept;

    std::shared_ptr<core> core_;
    libusb_device_handle* const native_;
    bool closed_ = false;
};

struct hotplug_state : list_hook<hotplug_state> {
    std::shared_ptr<core> of;  // null: closed
    std::deque<hotplug_event> events;
    std::vector<libusb_device*> here;  // reported as arrived and not yet as gone; only compared
    event changed;
    int callback = 0;
};

class core : public std::enable_shared_from_this<core>, private co_wq::detail::guest {
public:
    static result<std::shared_ptr<core>> make(event_loop& loop);
    core(event_loop& loop, libusb_context* native);
    core(const core&) = delete;
    ~core();

    // The context is gone: everything ends.
    void close() noexcept;
    bool closed() const noexcept { return closed_; }
    event_loop& loop() const noexcept { return loop_; }

    result<std::vector<device>> devices();
    result<hotplug> watch(bool with_present);
    static void end_stream(hotplug_state& stream) noexcept;
    void report(hotplug_state& stream, libusb_device* which, bool arrived);
    result<std::shared_ptr<open_file>> open(libusb_device* which);
    std::size_t in_flight() const noexcept { return in_flight_; }

    transfer_record& take_record();
    void began(transfer_record& one) noexcept;
    // From inside libusb's callback.
    void ended(transfer_record& one) noexcept;
    void give_back(transfer_record& one) noexcept { free_.push_back(one); }
    void set_timer() noexcept;
    void cancel_all(const open_file& of, errc reason) noexcept;

private:
    friend class open_file;
    static void on_ready(void* self, native_handle, direction) noexcept;
    static void on_time(void* self) noexcept;
    static void on_added(int handle, short events, void* self);
    static void on_removed(int handle, void* self);
    static void evict(co_wq::detail::guest& self) noexcept;
    void process(duration wait) noexcept;
    void name_what_is_left() noexcept;

    event_loop& loop_;
    libusb_context* const native_;
    std::optional<foreign_descriptors> bridge_;
    std::optional<foreign_timer> timer_;  // none: libusb has a timerfd
    intrusive_list<transfer_record> flying_;
    intrusive_list<transfer_record> free_;
    intrusive_list<open_file> open_;
    intrusive_list<hotplug_state> streams_;
    std::vector<std::shared_ptr<open_file>> let_go_;  // dropped behind libusb's callback
    std::size_t in_flight_ = 0;
    bool closed_ = false;
};

}  // namespace co_wq::io::usb::detail
