// Listeners, users, policies and rules of a config file.
//
// Threads:  plain functions.
#pragma once

#include "proxy/config/table_reader.hpp"
#include "proxy/policy/settings.hpp"

namespace co_wq::proxy::config {

// Of the whole file; what names another part is checked against it.
void read_policies(table_reader& file, policy::settings& out);

}  // namespace co_wq::proxy::config
