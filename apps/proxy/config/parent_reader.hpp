// Parents, their groups and the ways of a config file; and parents of the command line.
//
// Guarantees: no problem's text holds a password.
// Threads:    plain functions. Block on files.
#pragma once

#include "proxy/config/table_reader.hpp"
#include "proxy/policy/settings.hpp"

namespace co_wq::proxy::config {

// [[parents]] and [[parent_groups]] of the whole file.
void read_parents(table_reader& file, policy::settings& out);
// "via" and "egress" of a rule, of a policy, or of the whole file.
void read_way(table_reader& from, policy::wanted_way& out);
// Every via names something that there is.
void check_ways(table_reader& file, const policy::settings& chosen);

}  // namespace co_wq::proxy::config
