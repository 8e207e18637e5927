// Wine is not Windows everywhere: what it does not do is skipped, with the reason.
#pragma once

#ifdef _WIN32
#include <windows.h>
// words of 16-bit compilers
#undef near
#undef far
#endif

namespace co_wq::test {

inline bool on_wine() {
#ifdef _WIN32
    const HMODULE system = ::GetModuleHandleW(L"ntdll.dll");
    return system && ::GetProcAddress(system, "wine_get_version");
#else
    return false;
#endif
}

}  // namespace co_wq::test
