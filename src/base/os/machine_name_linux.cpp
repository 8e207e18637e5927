#include <unistd.h>

#include "base/os/machine_name.hpp"

namespace co_wq::os {

std::string machine_name() {
    char text[256] = {};
    return ::gethostname(text, sizeof text - 1) == 0 ? std::string(text) : std::string();
}

}  // namespace co_wq::os
