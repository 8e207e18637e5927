#include <windows.h>

#include <iterator>

#include "base/os/machine_name.hpp"
#include "base/os/windows.hpp"

namespace co_wq::os {

std::string machine_name() {
    wchar_t text[256];
    DWORD size = std::size(text);
    if (!::GetComputerNameExW(ComputerNameDnsHostname, text, &size)) return {};
    return from_wide({text, size});
}

}  // namespace co_wq::os
