// device, open_device: a USB device that is plugged in, and one that is open for transfers.
//
// For:        control, bulk and interrupt transfers, awaited.
// Guarantees: a transfer ends when the kernel has let go of its buffer, with the bytes that travelled. Cancelling its
//             scope asks the kernel to end it: what the kernel finally says decides, so a transfer that was complete
//             meanwhile is a success. Destroying a waiting frame cancels its transfer; the late callback finds a record
//             and no waiter, and what arrived is dropped. Any number of transfers may wait at once, also on one
//             endpoint, which serves them in the order they were started.
// Deadlines:  with_timeout and with_deadline, or a limit of the transfer's own (whole milliseconds, rounded up; zero:
//             none), which libusb keeps. Both end it with timed_out.
// Errors:     stopped, timed_out; closed (the open_device or its context was closed or destroyed meanwhile);
//             device_gone (unplugged); stalled (the endpoint is halted, or the request unknown); message_too_long (the
//             device sent more than the buffer holds); transfer_failed (bus errors; unplugging may look like that too);
//             the others from libusb. error::os_code() is 200000 less libusb's code for those of libusb, 200100 and
//             the status for those of a transfer.
// Blocking:   open, claim, release and set_alternate are system calls; set_alternate waits for the device.
// Threads:    the loop's own. Lifetime: any order, also after the context. A descriptor is closed when its last
//             transfer has been reaped. Nothing of it may outlive the loop but a plain `device`.
// Sources:    libusb 1.0.26, asynchronous API; Documentation/driver-api/usb/usb.rst of Linux.
//
//   usb::transfer_result got = co_await pen.bulk_in(0x81, usb::transfer_buffer(512), 100ms);
//   if (!got && got.error() == errc::timed_out) use_what_came(got.data());
#pragma once

#include <string>
#include <vector>

#include "base/clock.hpp"
#include "io/usb/transfer.hpp"

struct libusb_device;

namespace co_wq::io::usb {

enum class speed : unsigned char { unknown, low, full, high, super, super_plus };

enum class endpoint_kind : unsigned char { control, isochronous, bulk, interrupt };

// Of the active configuration.
struct endpoint {
    std::uint8_t interface_number = 0;
    std::uint8_t setting = 0;  // the interface's alternate setting that has it
    std::uint8_t address = 0;  // with bit 7: from the device
    endpoint_kind kind{};
    std::uint16_t packet_max = 0;  // bytes
    bool is_in() const noexcept { return (address & 0x80) != 0; }
};

class open_device;

class device {
public:
    device(const device& other) noexcept;
    device& operator=(const device& other) noexcept;
    ~device();

    std::uint16_t vendor() const noexcept { return vendor_; }
    std::uint16_t product() const noexcept { return product_; }
    std::uint8_t device_class() const noexcept { return class_; }
    std::uint8_t bus() const noexcept;
    std::uint8_t address() const noexcept;
    usb::speed speed() const noexcept;
    // Where it is plugged in, as in sysfs: "1-4.2"; "usb1" for a root hub.
    std::string path() const;
    // As the device described itself when it was plugged in. not_found: it is not configured.
    result<std::vector<endpoint>> endpoints() const;
    // The same device, plugged in once.
    friend bool operator==(const device& left, const device& right) noexcept { return left.native_ == right.native_; }

    result<open_device> open() const;

private:
    friend class detail::core;
    device(std::shared_ptr<detail::core> of, libusb_device* native) noexcept;

    std::shared_ptr<detail::core> core_;
    libusb_device* native_;
    std::uint16_t vendor_ = 0, product_ = 0;
    std::uint8_t class_ = 0;
};

class open_device {
public:
    open_device() noexcept = default;
    open_device(open_device&&) noexcept = default;
    open_device& operator=(open_device&& other) noexcept;
    ~open_device() { close(); }

    bool is_open() const noexcept { return file_ != nullptr; }
    // Waiting transfers end with `closed` as soon as the kernel has let go of them.
    void close() noexcept;

    // Before transfers on the interface's endpoints. A kernel driver that has it is sent away until release.
    result<void> claim(int interface_number);
    result<void> release(int interface_number);
    result<void> set_alternate(int interface_number, int setting);

    // With bit 7 of request_type the buffer is filled, else it is sent, all of it.
    [[nodiscard]] detail::transfer_awaiter control(control_setup setup, transfer_buffer buffer,
                                                   duration limit = {}) const noexcept;
    // endpoint: with bit 7 for _in, as in the descriptor; without for _out.
    [[nodiscard]] detail::transfer_awaiter bulk_in(std::uint8_t endpoint, transfer_buffer into,
                                                   duration limit = {}) const noexcept;
    [[nodiscard]] detail::transfer_awaiter bulk_out(std::uint8_t endpoint, transfer_buffer data,
                                                    duration limit = {}) const noexcept;
    [[nodiscard]] detail::transfer_awaiter interrupt_in(std::uint8_t endpoint, transfer_buffer into,
                                                        duration limit = {}) const noexcept;
    [[nodiscard]] detail::transfer_awaiter interrupt_out(std::uint8_t endpoint, transfer_buffer data,
                                                         duration limit = {}) const noexcept;

private:
    friend class device;
    explicit open_device(std::shared_ptr<detail::open_file> file) noexcept : file_(std::move(file)) {}
    std::shared_ptr<detail::open_file> file_;
};

}  // namespace co_wq::io::usb
