#include "mock_device.hpp"

#include <linux/usbdevice_fs.h>
#include <sys/ioctl.h>
#include <umockdev.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace co_wq::io::usb::test {
namespace {

constexpr const char* node = "/dev/bus/usb/001/002";
// Device, configuration, interface and three endpoints: 512, 512 and 8 bytes a packet.
constexpr const char* description =
    "P: /devices/usb1/1-1\n"
    "N: bus/usb/001/002\n"
    "E: DEVNAME=/dev/bus/usb/001/002\n"
    "E: DEVTYPE=usb_device\n"
    "E: SUBSYSTEM=usb\n"
    "E: BUSNUM=001\n"
    "E: DEVNUM=002\n"
    "A: busnum=1\\n\n"
    "A: devnum=2\\n\n"
    "A: speed=480\\n\n"
    "A: bConfigurationValue=1\\n\n"
    "H: descriptors="
    "12010002FF000040096B0200000100000001"
    "09022700010100C032"
    "0904000003FF000000"
    "07058102000200"
    "07050202000200"
    "07058303080004\n";

void* pointer_of(UMockdevIoctlClient* client) {
    UMockdevIoctlData* const argument = umockdev_ioctl_client_get_arg(client);
    void* value = nullptr;
    std::memcpy(&value, argument->data, sizeof value);
    return value;  // of this process: the handler runs in it
}

}  // namespace

mock_device::mock_device() : bed_(umockdev_testbed_new()), handler_(umockdev_ioctl_base_new()) {
    g_signal_connect(handler_, "handle-ioctl", G_CALLBACK(&on_ioctl), this);
    plug_in();
}

mock_device::~mock_device() {
    g_object_unref(handler_);
    g_object_unref(bed_);
}

void mock_device::plug_in() {
    {
        const std::scoped_lock guard(lock_);
        if (plugged_) return;
        plugged_ = true;
    }
    GError* wrong = nullptr;
    if (!umockdev_testbed_add_from_string(bed_, description, &wrong) ||
        !umockdev_testbed_attach_ioctl(bed_, node, handler_, &wrong))
        g_error("umockdev: %s", wrong->message);
    umockdev_testbed_uevent(bed_, "/sys/devices/usb1/1-1", "add");
}

void mock_device::unplug() {
    {
        const std::scoped_lock guard(lock_);
        plugged_ = false;
        while (!waiting_.empty()) finish(*waiting_.back(), -ESHUTDOWN, 0);
    }
    umockdev_testbed_uevent(bed_, "/sys/devices/usb1/1-1", "remove");
    umockdev_testbed_detach_ioctl(bed_, node, nullptr);
    umockdev_testbed_remove_device(bed_, "/sys/devices/usb1/1-1");
}

void mock_device::reset() {
    plug_in();
    const std::scoped_lock guard(lock_);
    waiting_.clear();
    cancelled_.clear();
    done_.clear();
    raised_.clear();
    loop_.clear();
    kept_.clear();
    answers_.clear();
    stalled_ = -1;
    carried_ = 0;
    keep_ = overflow_ = false;
}

void mock_device::raise(std::string_view data) {
    const std::scoped_lock guard(lock_);
    raised_.emplace_back(data);
    serve();
}
void mock_device::feed(std::string_view data) {
    const std::scoped_lock guard(lock_);
    loop_ += data;
    serve();
}
void mock_device::answer_control(std::string_view data) {
    const std::scoped_lock guard(lock_);
    answers_.emplace_back(data);
    serve();
}
void mock_device::stall(std::uint8_t endpoint) {
    const std::scoped_lock guard(lock_);
    stalled_ = endpoint;
    serve();
}
void mock_device::carry_when_cancelled(std::size_t bytes) {
    const std::scoped_lock guard(lock_);
    carried_ = bytes;
}
void mock_device::keep_cancelled(bool on) {
    const std::scoped_lock guard(lock_);
    keep_ = on;
    if (on) return;
    for (usbdevfs_urb* urb : std::exchange(cancelled_, {})) done_.push_back(urb);
}
void mock_device::overflow_next() {
    const std::scoped_lock guard(lock_);
    overflow_ = true;
}
std::size_t mock_device::pending() {
    const std::scoped_lock guard(lock_);
    return waiting_.size();
}
std::string mock_device::kept() {
    const std::scoped_lock guard(lock_);
    return kept_;
}
std::uint64_t mock_device::reaps() {
    const std::scoped_lock guard(lock_);
    return reaps_;
}

int mock_device::on_ioctl(UMockdevIoctlBase*, UMockdevIoctlClient* client, void* self) {
    int error = 0;
    const long answered =
        static_cast<mock_device*>(self)->answer(umockdev_ioctl_client_get_request(client), pointer_of(client), error);
    umockdev_ioctl_client_complete(client, answered, error);
    return TRUE;
}

long mock_device::answer(unsigned long request, void* argument, int& error) {
    const std::scoped_lock guard(lock_);
    switch (request) {
        case USBDEVFS_GET_CAPABILITIES:
            *static_cast<std::uint32_t*>(argument) = USBDEVFS_CAP_NO_PACKET_SIZE_LIM | USBDEVFS_CAP_BULK_CONTINUATION;
            return 0;
        case USBDEVFS_SUBMITURB: return submit(*static_cast<usbdevfs_urb*>(argument), error);
        case USBDEVFS_DISCARDURB: return discard(static_cast<usbdevfs_urb*>(argument), error);
        case USBDEVFS_REAPURB:
        case USBDEVFS_REAPURBNDELAY:
            ++reaps_;
            if (done_.empty()) {
                error = plugged_ ? EAGAIN : ENODEV;
                return -1;
            }
            *static_cast<usbdevfs_urb**>(argument) = done_.front();
            done_.pop_front();
            return 0;
        case USBDEVFS_CLAIMINTERFACE:
        case USBDEVFS_DISCONNECT_CLAIM:
        case USBDEVFS_RELEASEINTERFACE:
        case USBDEVFS_SETINTERFACE: return 0;
        default: error = ENOTTY; return -1;
    }
}

long mock_device::submit(usbdevfs_urb& urb, int& error) {
    if (!plugged_) {
        error = ENODEV;
        return -1;
    }
    waiting_.push_back(&urb);
    if (urb.type == USBDEVFS_URB_TYPE_CONTROL) control(urb);
    serve();
    return 0;
}

long mock_device::discard(usbdevfs_urb* urb, int& error) {
    const auto at = std::find(waiting_.begin(), waiting_.end(), urb);
    if (at == waiting_.end()) {
        error = EINVAL;
        return -1;
    }
    waiting_.erase(at);
    const std::size_t moved = std::min<std::size_t>(carried_, static_cast<std::size_t>(urb->buffer_length));
    std::memset(urb->buffer, 'c', moved);
    urb->status = -ENOENT;
    urb->actual_length = static_cast<int>(moved);
    if (keep_) {
        cancelled_.push_back(urb);
    } else {
        done_.push_back(urb);
    }
    return 0;
}

void mock_device::control(usbdevfs_urb& urb) {
    const auto* setup = static_cast<const std::uint8_t*>(urb.buffer);
    char* const data = static_cast<char*>(urb.buffer) + 8;
    const auto length = static_cast<std::size_t>(setup[6] | setup[7] << 8);
    switch (setup[1]) {
        case request_pattern: {
            const std::size_t moved = std::min<std::size_t>(length, static_cast<std::size_t>(setup[2]));  // value
            for (std::size_t i = 0; i < moved; ++i) data[i] = static_cast<char>('a' + (setup[4] + i) % 26);  // index
            return finish(urb, 0, moved);
        }
        case request_kept: kept_.assign(data, length); return finish(urb, 0, length);
        case request_unanswered: return;
        default: return finish(urb, -EPIPE, 0);
    }
}

// What can be done, in the order it was asked for.
void mock_device::serve() {
    const std::vector<usbdevfs_urb*> all = waiting_;
    for (usbdevfs_urb* urb : all) {
        const auto room = static_cast<std::size_t>(urb->buffer_length);
        if (stalled_ == urb->endpoint) {
            finish(*urb, -EPIPE, 0);
        } else if (urb->type == USBDEVFS_URB_TYPE_CONTROL) {
            if (answers_.empty()) continue;
            const std::size_t moved = std::min(room - 8, answers_.front().size());
            std::memcpy(static_cast<char*>(urb->buffer) + 8, answers_.front().data(), moved);
            answers_.pop_front();
            finish(*urb, 0, moved);
        } else if (urb->endpoint == loop_out) {
            loop_.append(static_cast<const char*>(urb->buffer), room);
            finish(*urb, 0, room);
        } else if (overflow_) {
            overflow_ = false;
            finish(*urb, -EOVERFLOW, 0);
        } else if (urb->endpoint == loop_in && !loop_.empty()) {
            const std::size_t moved = std::min(room, loop_.size());
            std::memcpy(urb->buffer, loop_.data(), moved);
            loop_.erase(0, moved);
            finish(*urb, 0, moved);
        } else if (urb->endpoint == events_in && !raised_.empty()) {
            const std::size_t moved = std::min(room, raised_.front().size());
            std::memcpy(urb->buffer, raised_.front().data(), moved);
            raised_.pop_front();
            finish(*urb, 0, moved);
        }
    }
}

void mock_device::finish(usbdevfs_urb& urb, int status, std::size_t moved) {
    std::erase(waiting_, &urb);
    urb.status = status;
    urb.actual_length = static_cast<int>(moved);
    done_.push_back(&urb);
}

mock_device& device_under_test() {
    static auto* const one = new mock_device;
    return *one;
}

}  // namespace co_wq::io::usb::test
