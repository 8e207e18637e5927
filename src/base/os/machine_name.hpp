// The machine's own name (gethostname(2); Windows: its DNS name without the domain). Empty: the system does not say.
#pragma once

#include <string>

namespace co_wq::os {

std::string machine_name();

}  // namespace co_wq::os
