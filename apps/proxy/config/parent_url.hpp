// "http://user:password@proxy.example:3128" and what is wrong with it, in words that do not quote it.
//
// For:      parents in the config file and on the command line.
// Threads:  any.
#pragma once

#include <string>
#include <string_view>

#include "proxy/policy/settings.hpp"

namespace co_wq::proxy::config {

// Into kind, host, port, user and password, which are not looked at yet; "": it is one. User and password may hold %XX.
std::string read_parent_url(std::string_view text, policy::parent& out);
// Of credentials for this kind of parent; "": they can be sent.
std::string wrong_with_credentials(const policy::parent& one);

// --parent URL..., in order: all that has no way of its own goes through the first one that is up. "": done.
std::string add_parents(const std::vector<std::string>& urls, policy::settings& out);

}  // namespace co_wq::proxy::config
