// The machine's own name (gethostname(2)); empty when the system does not say.
#pragma once

#include <string>

namespace co_wq::os {

std::string machine_name();

}  // namespace co_wq::os
