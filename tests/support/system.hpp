// What tests ask the system for, beside the library.
#pragma once

#include <cstddef>

namespace co_wq::test {

// Wine is not Windows everywhere: what it does not do is skipped, with the reason.
bool on_wine();

// Sockets, files and whatever else this process has open: descriptors; on Windows handles of the kind "File".
std::size_t open_files();

}  // namespace co_wq::test
