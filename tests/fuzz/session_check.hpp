// Whether what was heard is what was said, message by message, as the reference reads both.
#pragma once

#include "session_world.hpp"

namespace co_wq::fuzz {

// Does not return if it is not.
void check_session(const session_record& record);

}  // namespace co_wq::fuzz
