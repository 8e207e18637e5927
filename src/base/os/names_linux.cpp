#include "base/os/names.hpp"

namespace co_wq::os {

std::string name_configuration() { return "/etc/resolv.conf"; }

std::string hosts_path() { return "/etc/hosts"; }

std::unique_ptr<name_settings> name_settings::open() { return nullptr; }

}  // namespace co_wq::os
