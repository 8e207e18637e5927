// Checks that stay on in every build type.
//
// CO_WQ_REQUIRE(cond, "text")  the caller is wrong: a documented requirement was broken.
// CO_WQ_ASSERT(cond, "text")   we are wrong: an invariant of this library does not hold.
// CO_WQ_DEBUG_ASSERT(...)      an invariant whose check would cost on a hot path: off when NDEBUG is set.
#pragma once

#include "base/fault.hpp"

#define CO_WQ_CHECK_(kind, cond, text)                                    \
    do {                                                                  \
        if (!(cond)) [[unlikely]]                                         \
            ::co_wq::raise_fault(::co_wq::fault_kind::kind, #cond, text); \
    } while (false)

#define CO_WQ_REQUIRE(cond, text) CO_WQ_CHECK_(caller, cond, text)
#define CO_WQ_ASSERT(cond, text) CO_WQ_CHECK_(internal, cond, text)

#ifdef NDEBUG
#define CO_WQ_DEBUG_ASSERT(cond, text) \
    do {                               \
    } while (false)
#else
#define CO_WQ_DEBUG_ASSERT(cond, text) CO_WQ_ASSERT(cond, text)
#endif
