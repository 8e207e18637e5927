// A USB device that exists in this process only: umockdev answers sysfs, udev and usbfs for it.
//
// It has a loopback (bulk OUT 0x02 to bulk IN 0x81), an interrupt endpoint IN 0x83, and control requests. Its ioctls
// are handled on a thread of umockdev's.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

struct usbdevfs_urb;
struct _UMockdevTestbed;
struct _UMockdevIoctlBase;
struct _UMockdevIoctlClient;

namespace co_wq::io::usb::test {

inline constexpr std::uint8_t loop_in = 0x81, loop_out = 0x02, events_in = 0x83;
// Control requests, vendor, to the device.
inline constexpr std::uint8_t request_pattern = 1, request_refused = 2, request_unanswered = 3, request_kept = 4;

class mock_device {
public:
    mock_device();
    mock_device(const mock_device&) = delete;
    ~mock_device();

    // As after being plugged in: nothing kept, nothing broken.
    void reset();
    void plug_in();
    // What is under way fails; it is gone.
    void unplug();
    void raise(std::string_view data);                    // on the interrupt endpoint
    void feed(std::string_view data);                     // into the loopback
    void answer_control(std::string_view data);           // to the oldest request_unanswered, or the next
    void stall(std::uint8_t endpoint);                    // what waits on it, and what comes
    void carry_when_cancelled(std::size_t bytes);         // a cancelled transfer has moved that many
    void keep_cancelled(bool on);                         // the kernel does not give cancelled ones back
    void overflow_next();                                 // the next IN gets more than it has room for
    std::size_t pending();                                // transfers that the kernel holds
    std::string kept();                                   // by request_kept
    std::uint64_t reaps();

private:
    static int on_ioctl(_UMockdevIoctlBase*, _UMockdevIoctlClient* client, void* self);
    long answer(unsigned long request, void* argument, int& error);
    long submit(usbdevfs_urb& urb, int& error);
    long discard(usbdevfs_urb* urb, int& error);
    void control(usbdevfs_urb& urb);
    void serve();
    void finish(usbdevfs_urb& urb, int status, std::size_t moved);

    _UMockdevTestbed* bed_ = nullptr;
    _UMockdevIoctlBase* handler_ = nullptr;
    std::mutex lock_;
    std::vector<usbdevfs_urb*> waiting_, cancelled_;
    std::deque<usbdevfs_urb*> done_;
    std::string loop_, kept_;
    std::deque<std::string> raised_, answers_;
    int stalled_ = -1;  // endpoint
    std::size_t carried_ = 0;
    std::uint64_t reaps_ = 0;
    bool keep_ = false, overflow_ = false, plugged_ = false;
};

// The one of the process. Null outside of umockdev.
mock_device& device_under_test();

}  // namespace co_wq::io::usb::test
