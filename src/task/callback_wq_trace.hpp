// CO_WQ_ENABLE_CALLBACK_WQ_TRACE: one line on standard error per post, drain and fire of a callback_wq.
//
// Off by default, and then nothing is compiled in. Set it for the whole build (the CMake option of the same name).
#pragma once

#if defined(CO_WQ_ENABLE_CALLBACK_WQ_TRACE) && CO_WQ_ENABLE_CALLBACK_WQ_TRACE
#include <cstdio>
#define CO_WQ_TRACE_CALLBACK_WQ(event, queue, node) \
    static_cast<void>(                              \
        std::fprintf(stderr, "co_wq: callback_wq '%s': %s %p\n", queue, event, static_cast<const void*>(node)))
#else
#define CO_WQ_TRACE_CALLBACK_WQ(event, queue, node) static_cast<void>(0)
#endif
