// What tests ask the system for, beside the library.
#pragma once

#include <cstddef>

#include "support/on_wine.hpp"

namespace co_wq::test {

// Sockets, files and whatever else this process has open: descriptors; on Windows handles of the kind "File".
std::size_t open_files();

}  // namespace co_wq::test
