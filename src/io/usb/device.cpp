#include "io/usb/device.hpp"

#include <libusb.h>

#include <span>

#include "io/usb/detail/core.hpp"

namespace co_wq::io::usb {
namespace {

constexpr std::uint8_t from_device = 0x80;

result<void> outcome_of_code(int code) noexcept {
    if (code != 0) return std::unexpected(detail::error_of_code(code));
    return {};
}

}  // namespace

device::device(std::shared_ptr<detail::core> of, libusb_device* native) noexcept
    : core_(std::move(of)), native_(libusb_ref_device(native)) {
    libusb_device_descriptor about{};
    if (libusb_get_device_descriptor(native_, &about) != 0) return;
    vendor_ = about.idVendor;
    product_ = about.idProduct;
    class_ = about.bDeviceClass;
}

device::device(const device& other) noexcept
    : core_(other.core_),
      native_(libusb_ref_device(other.native_)),
      vendor_(other.vendor_),
      product_(other.product_),
      class_(other.class_) {}

device& device::operator=(const device& other) noexcept {
    libusb_device* const before = native_;
    const std::shared_ptr<detail::core> keep = core_;  // until its device is let go
    native_ = libusb_ref_device(other.native_);
    core_ = other.core_;
    vendor_ = other.vendor_;
    product_ = other.product_;
    class_ = other.class_;
    libusb_unref_device(before);
    return *this;
}

device::~device() { libusb_unref_device(native_); }

std::uint8_t device::bus() const noexcept { return libusb_get_bus_number(native_); }
std::uint8_t device::address() const noexcept { return libusb_get_device_address(native_); }

usb::speed device::speed() const noexcept {
    switch (libusb_get_device_speed(native_)) {
        case LIBUSB_SPEED_LOW: return usb::speed::low;
        case LIBUSB_SPEED_FULL: return usb::speed::full;
        case LIBUSB_SPEED_HIGH: return usb::speed::high;
        case LIBUSB_SPEED_SUPER: return usb::speed::super;
        case LIBUSB_SPEED_SUPER_PLUS: return usb::speed::super_plus;
        default: return usb::speed::unknown;
    }
}

std::string device::path() const {
    std::uint8_t ports[7];  // as deep as USB goes
    const int depth = libusb_get_port_numbers(native_, ports, sizeof ports);
    if (depth <= 0) return "usb" + std::to_string(bus());
    std::string text = std::to_string(bus());
    for (int i = 0; i < depth; ++i) text += (i == 0 ? "-" : ".") + std::to_string(ports[i]);
    return text;
}

result<std::vector<endpoint>> device::endpoints() const {
    libusb_config_descriptor* config = nullptr;
    if (const int code = libusb_get_active_config_descriptor(native_, &config); code != 0)
        return std::unexpected(detail::error_of_code(code));
    std::vector<endpoint> all;
    for (const libusb_interface& one : std::span(config->interface, config->bNumInterfaces))
        for (const libusb_interface_descriptor& setting :
             std::span(one.altsetting, static_cast<std::size_t>(one.num_altsetting)))
            for (const libusb_endpoint_descriptor& end : std::span(setting.endpoint, setting.bNumEndpoints))
                all.push_back({setting.bInterfaceNumber, setting.bAlternateSetting, end.bEndpointAddress,
                               static_cast<endpoint_kind>(end.bmAttributes & LIBUSB_TRANSFER_TYPE_MASK),
                               static_cast<std::uint16_t>(end.wMaxPacketSize & 0x7ff)});
    libusb_free_config_descriptor(config);
    return all;
}

result<open_device> device::open() const {
    result<std::shared_ptr<detail::open_file>> made = core_->open(native_);
    if (!made) return std::unexpected(made.error());
    return open_device(std::move(*made));
}

open_device& open_device::operator=(open_device&& other) noexcept {
    if (this != &other) {
        close();
        file_ = std::move(other.file_);
    }
    return *this;
}

void open_device::close() noexcept {
    if (!file_) return;
    file_->close();
    file_.reset();
}

result<void> open_device::claim(int interface_number) {
    if (!file_ || file_->closed()) return fail(errc::closed);
    return outcome_of_code(libusb_claim_interface(file_->native(), interface_number));
}

result<void> open_device::release(int interface_number) {
    if (!file_ || file_->closed()) return fail(errc::closed);
    return outcome_of_code(libusb_release_interface(file_->native(), interface_number));
}

result<void> open_device::set_alternate(int interface_number, int setting) {
    if (!file_ || file_->closed()) return fail(errc::closed);
    return outcome_of_code(libusb_set_interface_alt_setting(file_->native(), interface_number, setting));
}

detail::transfer_awaiter open_device::control(control_setup setup, transfer_buffer buffer,
                                              duration limit) const noexcept {
    return {file_, detail::transfer_kind::control, 0, setup, std::move(buffer), limit};
}
detail::transfer_awaiter open_device::bulk_in(std::uint8_t endpoint, transfer_buffer into,
                                              duration limit) const noexcept {
    const auto way = static_cast<std::uint8_t>(endpoint | from_device);
    return {file_, detail::transfer_kind::bulk, way, {}, std::move(into), limit};
}
detail::transfer_awaiter open_device::bulk_out(std::uint8_t endpoint, transfer_buffer data,
                                               duration limit) const noexcept {
    const auto way = static_cast<std::uint8_t>(endpoint & ~from_device);
    return {file_, detail::transfer_kind::bulk, way, {}, std::move(data), limit};
}
detail::transfer_awaiter open_device::interrupt_in(std::uint8_t endpoint, transfer_buffer into,
                                                   duration limit) const noexcept {
    const auto way = static_cast<std::uint8_t>(endpoint | from_device);
    return {file_, detail::transfer_kind::interrupt, way, {}, std::move(into), limit};
}
detail::transfer_awaiter open_device::interrupt_out(std::uint8_t endpoint, transfer_buffer data,
                                                    duration limit) const noexcept {
    const auto way = static_cast<std::uint8_t>(endpoint & ~from_device);
    return {file_, detail::transfer_kind::interrupt, way, {}, std::move(data), limit};
}

}  // namespace co_wq::io::usb
