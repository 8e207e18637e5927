// struct iovec, which C libraries hand to the calls we make for them.
//
// Windows: has none; c-ares lays out its own like this.
#pragma once

#ifdef _WIN32
#include <cstddef>

struct iovec {
    void* iov_base;
    std::size_t iov_len;
};
#else
#include <sys/uio.h>
#endif
