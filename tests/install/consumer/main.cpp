// A program that knows co_wq only as an installed library.
#include <cstdio>
#include <cstdlib>

#include "base/assert.hpp"
#include "base/log.hpp"
#include "base/result.hpp"

namespace {

co_wq::result<int> half_of(int number) {
    if (number % 2 != 0) return co_wq::fail(co_wq::errc::invalid_argument);
    return number / 2;
}

}  // namespace

int main() {
    co_wq::set_fault_hook([](const co_wq::fault_report& report) noexcept { std::puts(report.message); });
    CO_WQ_REQUIRE(half_of(4) == 2, "half of four is two");
    CO_WQ_REQUIRE(half_of(3) == co_wq::fail(co_wq::errc::invalid_argument), "three has no half");
    co_wq::log::set_level(co_wq::log::level::warn);
    CO_WQ_REQUIRE(!co_wq::log::enabled(co_wq::log::level::info), "the level set is the level used");
    std::puts(co_wq::error(co_wq::errc::connection_refused).message().c_str());
    return EXIT_SUCCESS;
}
