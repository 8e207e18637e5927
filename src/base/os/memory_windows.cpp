// clang-format off: it must come first
#include <windows.h>
// clang-format on
#include <malloc.h>
#include <psapi.h>

#include <algorithm>

#include "base/os/memory.hpp"

namespace co_wq::os {

memory_gauge::memory_gauge() noexcept = default;  // the process itself is asked, through no handle
memory_gauge::~memory_gauge() = default;

std::uint64_t memory_gauge::resident_bytes() const noexcept {
    PROCESS_MEMORY_COUNTERS counters{};
    if (!::GetProcessMemoryInfo(::GetCurrentProcess(), &counters, sizeof counters)) return 0;
    return counters.WorkingSetSize;
}

std::optional<std::uint64_t> control_group_memory(const std::string&, const std::string&) { return std::nullopt; }

std::optional<std::uint64_t> allowed_memory() {
    std::optional<std::uint64_t> least;
    const auto binds = [&least](std::uint64_t limit) { least = least ? std::min(*least, limit) : limit; };
    MEMORYSTATUSEX machine{};
    machine.dwLength = sizeof machine;
    if (::GlobalMemoryStatusEx(&machine)) binds(machine.ullTotalPhys);
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION job{};
    if (::QueryInformationJobObject(nullptr, JobObjectExtendedLimitInformation, &job, sizeof job, nullptr)) {
        const DWORD limits = job.BasicLimitInformation.LimitFlags;
        if (limits & JOB_OBJECT_LIMIT_PROCESS_MEMORY) binds(job.ProcessMemoryLimit);
        if (limits & JOB_OBJECT_LIMIT_JOB_MEMORY) binds(job.JobMemoryLimit);
    }
    return least;
}

void give_back_memory() noexcept { (void)::_heapmin(); }

void wipe(void* memory, std::size_t bytes) noexcept { ::SecureZeroMemory(memory, bytes); }

}  // namespace co_wq::os
