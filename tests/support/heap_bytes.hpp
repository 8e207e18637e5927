// How many bytes malloc has given out. Sanitizers have another heap and see nothing here.
#pragma once

#include <cstddef>

#ifdef _WIN32
#include <windows.h>
// after it
#include <malloc.h>
// words of 16-bit compilers
#undef near
#undef far
#else
#include <malloc.h>
#endif

namespace co_wq::test {

inline std::size_t heap_bytes() {
#ifdef _WIN32
    const auto heap = reinterpret_cast<HANDLE>(::_get_heap_handle());
    std::size_t bytes = 0;
    PROCESS_HEAP_ENTRY entry{};
    ::HeapLock(heap);
    while (::HeapWalk(heap, &entry))
        if ((entry.wFlags & PROCESS_HEAP_ENTRY_BUSY) != 0) bytes += entry.cbData;
    ::HeapUnlock(heap);
    return bytes;
#else
    return ::mallinfo2().uordblks;
#endif
}

}  // namespace co_wq::test
