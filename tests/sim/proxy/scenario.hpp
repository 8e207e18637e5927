// The proxy scenario of the simulation; see scenario.cpp.
#pragma once

#include "sim/report.hpp"

namespace co_wq::sim::proxy {

outcome run(const request& what);

}  // namespace co_wq::sim::proxy
