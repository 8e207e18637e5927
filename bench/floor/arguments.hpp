// The one option the floor programs heed: --scale S.
#pragma once

#include <cstdlib>
#include <cstring>

#include "support/measure.hpp"

namespace co_wq::bench {

inline double scale_argument(int argc, char** argv) {
    double scale = 1;
    for (int i = 1; i + 1 < argc; i += 2)
        if (std::strcmp(argv[i], "--scale") == 0) scale = std::atof(argv[i + 1]);
    return scale;
}

inline long scaled(double base, double scale) {
    const auto count = static_cast<long>(base * scale);
    return count < 16 ? 16 : count;
}

}  // namespace co_wq::bench
