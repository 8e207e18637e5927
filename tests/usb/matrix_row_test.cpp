// The row of usb::detail::transfer_awaiter in the contract matrix: the same cells by the same driver as in
// tests/contract, here because it needs a device of umockdev's.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <iterator>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "driver.hpp"
#include "io/usb/context.hpp"
#include "mock_device.hpp"

namespace co_wq::contract {
namespace {

using namespace io::usb;

std::size_t open_files() {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}

enum class what : unsigned char { bulk, interrupt, control };

template <what Kind>
class transfer : public subject {
public:
    using subject::subject;
    task<void> set_up() override {
        device().reset();
        const std::size_t before = loop.reactor().descriptors().live(), files = open_files();
        usb_ = *context::open(loop);
        const result<std::vector<io::usb::device>> all = usb_->devices();
        for (const io::usb::device& one : *all)
            if (one.vendor() == 0x6b09) pen_ = *one.open();
        EXPECT_TRUE(pen_.is_open() && pen_.claim(0).has_value());
        // umockdev and libusb have sockets of their own
        others_ = open_files() - files - (loop.reactor().descriptors().live() - before);
        co_return;
    }
    task<std::string> wait() override {
        std::optional<transfer_result> got;
        if (Kind == what::bulk) got.emplace(co_await pen_.bulk_in(test::loop_in, transfer_buffer(64)));
        if (Kind == what::interrupt) got.emplace(co_await pen_.interrupt_in(test::events_in, transfer_buffer(64)));
        if (Kind == what::control)
            got.emplace(co_await pen_.control({0xc0, test::request_unanswered, 0, 0}, transfer_buffer(64)));
        co_return *got ? "ok " + std::string(as_text(got->data())) : got->error().message();
    }
    task<void> complete() override {
        if (Kind == what::bulk) device().feed("data");
        if (Kind == what::interrupt) device().raise("data");
        if (Kind == what::control) device().answer_control("data");
        co_return;
    }
    task<void> fail() override {
        device().stall(endpoint());
        co_return;
    }
    void close_owner() override { pen_.close(); }
    void destroy_owner() override {
        usb_.reset();
        pen_ = {};
    }
    bool keeps() const override { return false; }  // what came for a transfer that was given up is not sent again
    std::size_t other_files() const override { return others_; }

private:
    static test::mock_device& device() { return test::device_under_test(); }
    static constexpr std::uint8_t endpoint() {
        return Kind == what::bulk ? test::loop_in : Kind == what::interrupt ? test::events_in : std::uint8_t{0};
    }
    std::optional<context> usb_;
    open_device pen_;
    std::size_t others_ = 0;
};

constexpr const char* never_at_once = "the kernel is asked for every transfer";

constexpr plan transfer_plan =
    operation_plan(ends("ok data"), none(never_at_once), ends("endpoint stalled"), ends("ok data|stopped"));

class row : public testing::TestWithParam<io::reactor_kind> {
protected:
    // umockdev keeps a file of the first use, and its threads close others a moment later.
    static void SetUpTestSuite() {
        {
            io::event_loop loop;
            const result<context> usb = context::open(loop);
            const result<std::vector<io::usb::device>> all = usb->devices();
            for (const io::usb::device& one : *all) (void)one.open();
        }
        std::size_t files = open_files();
        for (auto since = std::chrono::steady_clock::now();
             std::chrono::steady_clock::now() - since < std::chrono::milliseconds(200);) {
            std::this_thread::yield();
            if (open_files() == files) continue;
            files = open_files();
            since = std::chrono::steady_clock::now();
        }
    }
};

TEST_P(row, keeps_its_promises_in_every_cell) {
    const variant all[] = {{"bulk in", &make<transfer<what::bulk>>, transfer_plan},
                           {"interrupt in", &make<transfer<what::interrupt>>, transfer_plan},
                           {"control", &make<transfer<what::control>>, transfer_plan}};
    for (const variant& one : all)
        for (const cell at : cells) {
            if (one.expected.at(at).how() == expectation::kind::none) continue;
            for (const std::string& wrong : run_cell(one, {GetParam(), 0}, at))
                ADD_FAILURE() << one.name << ", " << name_of(at) << ": " << wrong;
        }
}

INSTANTIATE_TEST_SUITE_P(matrix, row, testing::Values(io::reactor_kind::epoll, io::reactor_kind::uring),
                         [](const auto& info) { return std::string(io::name_of(info.param)); });

}  // namespace
}  // namespace co_wq::contract
