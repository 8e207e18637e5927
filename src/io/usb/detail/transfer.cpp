#include "io/usb/transfer.hpp"

#include <libusb.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <limits>

#include "io/usb/detail/core.hpp"

namespace co_wq::io::usb {

transfer_buffer::transfer_buffer(std::size_t size)
    : memory_(std::make_unique_for_overwrite<std::byte[]>(setup_bytes + size)), size_(size) {
    CO_WQ_REQUIRE(size <= std::numeric_limits<int>::max() - setup_bytes, "a transfer moves at most 2 GiB");
}

transfer_buffer::transfer_buffer(const_bytes copied) : transfer_buffer(copied.size()) {
    if (!copied.empty()) std::memcpy(data().data(), copied.data(), copied.size());
}

namespace detail {
namespace {

// In os_code, to tell libusb's numbers from errno values.
constexpr int code_base = 200'000, status_base = 200'100;

unsigned milliseconds_of(duration limit) noexcept {
    if (limit <= duration::zero()) return 0;
    const auto whole = std::chrono::ceil<std::chrono::milliseconds>(limit).count();
    return static_cast<unsigned>(std::min<std::int64_t>(whole, std::numeric_limits<int>::max()));
}

void put(const control_setup& setup, std::size_t length, std::byte* to) noexcept {
    const std::uint16_t words[3] = {setup.value, setup.index, static_cast<std::uint16_t>(length)};
    to[0] = std::byte{setup.request_type};
    to[1] = std::byte{setup.request};
    for (std::size_t i = 0; i < 3; ++i) {
        to[2 + 2 * i] = static_cast<std::byte>(words[i]);
        to[3 + 2 * i] = static_cast<std::byte>(words[i] >> 8);
    }
}

unsigned char type_of(transfer_kind kind) noexcept {
    switch (kind) {
        case transfer_kind::control: return LIBUSB_TRANSFER_TYPE_CONTROL;
        case transfer_kind::bulk: return LIBUSB_TRANSFER_TYPE_BULK;
        case transfer_kind::interrupt: break;
    }
    return LIBUSB_TRANSFER_TYPE_INTERRUPT;
}

// Bytes win: what was complete before the cancel came is a success.
result<void> outcome_of(const libusb_transfer& done, const transfer_record& record) noexcept {
    const int code = status_base + static_cast<int>(done.status);
    switch (done.status) {
        case LIBUSB_TRANSFER_COMPLETED: return {};
        case LIBUSB_TRANSFER_TIMED_OUT: return fail(errc::timed_out, code);
        case LIBUSB_TRANSFER_CANCELLED: return fail(record.reason, code);
        case LIBUSB_TRANSFER_STALL: return fail(errc::stalled, code);
        case LIBUSB_TRANSFER_NO_DEVICE: return fail(errc::device_gone, code);
        case LIBUSB_TRANSFER_OVERFLOW: return fail(errc::message_too_long, code);
        case LIBUSB_TRANSFER_ERROR: break;
    }
    return fail(errc::transfer_failed, code);
}

}  // namespace

error error_of_code(int code) noexcept {
    const int shown = code_base - code;
    switch (code) {
        case LIBUSB_ERROR_IO: return {errc::transfer_failed, shown};
        case LIBUSB_ERROR_INVALID_PARAM: return {errc::invalid_argument, shown};
        case LIBUSB_ERROR_ACCESS: return {errc::permission_denied, shown};
        case LIBUSB_ERROR_NO_DEVICE: return {errc::device_gone, shown};
        case LIBUSB_ERROR_NOT_FOUND: return {errc::not_found, shown};
        case LIBUSB_ERROR_BUSY: return {errc::busy, shown};
        case LIBUSB_ERROR_TIMEOUT: return {errc::timed_out, shown};
        case LIBUSB_ERROR_OVERFLOW: return {errc::message_too_long, shown};
        case LIBUSB_ERROR_PIPE: return {errc::stalled, shown};
        case LIBUSB_ERROR_NO_MEM: return {errc::out_of_memory, shown};
        case LIBUSB_ERROR_NOT_SUPPORTED: return {errc::not_supported, shown};
        default: return {errc::other, shown};
    }
}

// ---- records

transfer_record::transfer_record(core& of) : owner(of), native(libusb_alloc_transfer(0)) {
    if (!native) throw std::bad_alloc();
}

transfer_record::~transfer_record() { libusb_free_transfer(native); }

// Whatever it says, the callback comes, and decides.
void transfer_record::cancel(errc why) noexcept {
    if (std::exchange(cancel_asked, true)) return;
    reason = why;
    libusb_cancel_transfer(native);
}

result<void> open_file::start(transfer_awaiter& waiter) {
    const bool control = waiter.kind_ == transfer_kind::control;
    if (control && waiter.buffer_.size() > 0xffff) return fail(errc::invalid_argument);
    if (!waiter.buffer_.memory_) waiter.buffer_ = transfer_buffer(0);
    transfer_record& one = core_->take_record();
    std::byte* const memory = waiter.buffer_.memory_.get();
    const std::size_t front = control ? transfer_buffer::setup_bytes : 0;
    if (control) put(waiter.setup_, waiter.buffer_.size(), memory);
    libusb_transfer& native = *one.native;
    native.dev_handle = native_;
    native.flags = 0;
    native.endpoint = waiter.endpoint_;
    native.type = type_of(waiter.kind_);
    native.timeout = milliseconds_of(waiter.limit_);
    native.buffer = reinterpret_cast<unsigned char*>(memory + transfer_buffer::setup_bytes - front);
    native.length = static_cast<int>(front + waiter.buffer_.size());
    native.callback = &on_done;
    native.user_data = &one;
    native.num_iso_packets = 0;
    if (const int refused = libusb_submit_transfer(&native); refused != 0) {
        core_->give_back(one);
        return std::unexpected(error_of_code(refused));
    }
    one.file = shared_from_this();
    one.buffer = std::move(waiter.buffer_);
    one.waiter = &waiter;
    one.reason = errc::stopped;
    one.cancel_asked = false;
    waiter.record_ = &one;
    core_->began(one);
    return {};
}

void open_file::on_done(libusb_transfer* native) noexcept {
    transfer_record& one = *static_cast<transfer_record*>(native->user_data);
    if (transfer_awaiter* const waiter = std::exchange(one.waiter, nullptr))
        waiter->ended(std::move(one.buffer), static_cast<std::size_t>(std::max(native->actual_length, 0)),
                      outcome_of(*native, one));
    one.owner.ended(one);
}

// ---- the waiting side

transfer_awaiter::transfer_awaiter(std::shared_ptr<open_file> on, transfer_kind kind, std::uint8_t endpoint,
                                   control_setup setup, transfer_buffer buffer, duration limit) noexcept
    : awaiter_base(ops),
      worknode(&resume),
      cancel_node(&cancelled),
      on_(std::move(on)),
      buffer_(std::move(buffer)),
      limit_(limit),
      setup_(setup),
      kind_(kind),
      endpoint_(endpoint) {}

transfer_awaiter::~transfer_awaiter() {
    if (!record_) return;
    record_->waiter = nullptr;
    record_->cancel(errc::stopped);
}

bool transfer_awaiter::suspend(promise_base& frame) {
    enter(frame);
    cancel_scope* const scope = frame.env().scope;
    if (!on_ || on_->closed()) {
        outcome_ = fail(errc::closed);
        return false;
    }
    on_->owner().loop().require_owner();
    if (scope && scope->cancelled()) {
        outcome_ = fail(scope->reason());
        return false;
    }
    outcome_ = on_->start(*this);
    if (!outcome_) return false;
    if (scope) scope->add(*this);
    return true;
}

void transfer_awaiter::ended(transfer_buffer&& buffer, std::size_t moved, result<void> outcome) noexcept {
    record_ = nullptr;
    buffer_ = std::move(buffer);
    moved_ = std::min(moved, buffer_.size());
    outcome_ = outcome;
    cancel_node::unlink();
    frame_->env().queue->post(*this);
}

void transfer_awaiter::resume(worknode& self) noexcept {
    auto& me = static_cast<transfer_awaiter&>(self);
    co_wq::detail::running_frame = me.frame_;
    me.frame_->self().resume();
}

void transfer_awaiter::cancelled(cancel_node& self, errc reason, list&) noexcept {
    auto& me = static_cast<transfer_awaiter&>(self);
    if (me.record_) me.record_->cancel(reason);
}

std::size_t transfer_awaiter::describe(const awaiter_base& self, char* out, std::size_t room) noexcept {
    static constexpr const char* kinds[] = {"control", "bulk", "interrupt"};
    const auto& me = static_cast<const transfer_awaiter&>(self);
    const int wrote = std::snprintf(out, room, "usb %s transfer on endpoint 0x%02x",
                                    kinds[static_cast<unsigned>(me.kind_)], me.endpoint_);
    return wrote > 0 ? std::min(static_cast<std::size_t>(wrote), room - 1) : 0;
}

}  // namespace detail
}  // namespace co_wq::io::usb
