// transfer_buffer, transfer_result: what a USB transfer is given and what it gives back.
//
// Why:        the kernel holds the memory of a transfer until the transfer is reaped, which may be after its waiter
//             died. So a transfer takes its buffer over and hands it back with the result.
// Threads:    plain values.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"
#include "task/promise.hpp"
#include "task/worknode.hpp"

namespace co_wq::io::usb {

namespace detail {
class core;
class open_file;
class transfer_record;
class transfer_awaiter;
}  // namespace detail

// Memory that can be moved into a transfer. It has room in front for the setup packet of a control transfer.
class transfer_buffer {
public:
    transfer_buffer() noexcept = default;
    // What is in it is not defined. size: bytes, up to 2^31 - 9.
    explicit transfer_buffer(std::size_t size);
    explicit transfer_buffer(const_bytes copied);
    transfer_buffer(transfer_buffer&& other) noexcept
        : memory_(std::move(other.memory_)), size_(std::exchange(other.size_, 0)) {}
    transfer_buffer& operator=(transfer_buffer&& other) noexcept {
        memory_ = std::move(other.memory_);
        size_ = std::exchange(other.size_, 0);
        return *this;
    }
    bytes data() const noexcept { return {memory_ ? memory_.get() + setup_bytes : nullptr, size_}; }
    std::size_t size() const noexcept { return size_; }

private:
    friend class detail::open_file;
    static constexpr std::size_t setup_bytes = 8;
    std::unique_ptr<std::byte[]> memory_;
    std::size_t size_ = 0;
};

// How a transfer ended. Bytes may have travelled whatever the outcome says: a cancelled or timed-out transfer can
// carry data, and the device will not send it again.
class transfer_result {
public:
    transfer_result(transfer_buffer buffer, std::size_t moved, result<void> outcome) noexcept
        : buffer_(std::move(buffer)), moved_(moved), outcome_(outcome) {}

    explicit operator bool() const noexcept { return outcome_.has_value(); }
    const co_wq::error& error() const noexcept { return outcome_.error(); }
    const result<void>& outcome() const noexcept { return outcome_; }
    // Bytes that travelled, in either direction; of a control transfer without its setup packet.
    std::size_t moved() const noexcept { return moved_; }
    // The first `moved` bytes of the buffer.
    bytes data() const noexcept { return buffer_.data().first(moved_); }
    // For the next transfer.
    transfer_buffer take_buffer() noexcept { return std::move(buffer_); }

private:
    transfer_buffer buffer_;
    std::size_t moved_;
    result<void> outcome_;
};

// The setup packet of a control transfer (USB 2.0, section 9.3), in the machine's byte order; wLength is the buffer's
// size. Bit 7 of request_type: from the device.
struct control_setup {
    std::uint8_t request_type = 0;
    std::uint8_t request = 0;
    std::uint16_t value = 0;
    std::uint16_t index = 0;
};

namespace detail {

enum class transfer_kind : unsigned char { control, bulk, interrupt };

class transfer_awaiter : public awaiter_base, private worknode, private cancel_node {
public:
    transfer_awaiter(std::shared_ptr<open_file> on, transfer_kind kind, std::uint8_t endpoint, control_setup setup,
                     transfer_buffer buffer, duration limit) noexcept;
    transfer_awaiter(const transfer_awaiter&) = delete;
    ~transfer_awaiter();

    bool await_ready() const noexcept { return false; }
    template <task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> waiting) {
        return suspend(waiting.promise());
    }
    transfer_result await_resume() noexcept {
        exit();
        return {std::move(buffer_), moved_, outcome_};
    }

private:
    friend class open_file;
    friend class transfer_record;
    bool suspend(promise_base& frame);
    void ended(transfer_buffer&& buffer, std::size_t moved, result<void> outcome) noexcept;
    static void resume(worknode& self) noexcept;
    static void cancelled(cancel_node& self, errc reason, list& more) noexcept;
    static std::size_t describe(const awaiter_base& self, char* out, std::size_t room) noexcept;
    static constexpr awaiter_ops ops{"usb transfer", nullptr, nullptr, nullptr, &describe};

    std::shared_ptr<open_file> on_;
    transfer_record* record_ = nullptr;  // while it is in flight
    transfer_buffer buffer_;
    std::size_t moved_ = 0;
    result<void> outcome_{};
    duration limit_;
    control_setup setup_;
    transfer_kind kind_;
    std::uint8_t endpoint_;
};

}  // namespace detail
}  // namespace co_wq::io::usb
