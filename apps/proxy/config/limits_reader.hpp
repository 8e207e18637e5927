// The table [limits] of a config file.
//
// Threads:  a plain function.
#pragma once

#include "proxy/config/table_reader.hpp"
#include "proxy/limits/limits.hpp"

namespace co_wq::proxy::config {

void read_limits(table_reader& from, limits& out);

}  // namespace co_wq::proxy::config
