// Compiled, with callback_wq.cpp, with CO_WQ_ENABLE_CALLBACK_WQ_TRACE=1; see CMakeLists.txt.
#include <gtest/gtest.h>

#include "task/callback_wq.hpp"
#include "task/scope.hpp"
#include "task/sync_wait.hpp"

namespace {

using namespace co_wq;

TEST(callback_wq_trace, prints_one_line_per_post_drain_and_fire) {
    bare_workqueue queue;
    callback_wq strand(queue, "traced");
    testing::internal::CaptureStderr();
    strand.post([] {});
    queue.run_ready();
    const std::string text = testing::internal::GetCapturedStderr();
    const auto post = text.find("co_wq: callback_wq 'traced': post ");
    const auto drain = text.find("co_wq: callback_wq 'traced': drain ");
    const auto fire = text.find("co_wq: callback_wq 'traced': fire ");
    EXPECT_LT(post, drain);
    EXPECT_LT(drain, fire);
    EXPECT_NE(fire, std::string::npos);
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3) << text;
}

}  // namespace
