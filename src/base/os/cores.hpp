// How many cores the process may use.
#pragma once

namespace co_wq::os {

unsigned usable_cores() noexcept;

}  // namespace co_wq::os
