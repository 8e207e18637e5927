// A scenario that fails on purpose, for the tests of the campaign itself.
#pragma once

#include "sim/report.hpp"

namespace co_wq::sim::selftest {

outcome run(const request& what);

}  // namespace co_wq::sim::selftest
