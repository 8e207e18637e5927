// Variables of the environment, as std::getenv sees them.
#pragma once

#include <cstdlib>

namespace co_wq::test {

// Null: it is taken away.
inline void set_environment(const char* name, const char* value) {
#ifdef _WIN32
    ::_putenv_s(name, value ? value : "");
#else
    if (value) {
        ::setenv(name, value, 1);
    } else {
        ::unsetenv(name);
    }
#endif
}

}  // namespace co_wq::test
