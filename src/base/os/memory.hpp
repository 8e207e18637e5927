// How much memory this process has, and how much it may have.
//
// For:        programs that would rather refuse work than be killed for want of memory.
// Threads:    memory_gauge: any, once it is made. The others: any.
// Errors:     what cannot be learnt is 0 (resident) or nothing (allowed).
// Windows:    resident is the working set. Allowed is the smaller of physical memory and the limits of the job the
//             process is in, which count what is committed. control_group_memory is nothing: there are none.
// Source:     proc_pid_statm(5), cgroups(7), the kernel's cgroup-v2.rst ("memory.max") and cgroup-v1/memory.rst
//             ("memory.limit_in_bytes"), malloc_trim(3);
//             PROCESS_MEMORY_COUNTERS, JOBOBJECT_EXTENDED_LIMIT_INFORMATION, _heapmin.
//
//   os::memory_gauge gauge;
//   if (gauge.resident_bytes() > os::allowed_memory().value_or(0) / 2) shed();
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace co_wq::os {

// Reads what is resident again and again, through one descriptor.
class memory_gauge {
public:
    memory_gauge() noexcept;
    memory_gauge(const memory_gauge&) = delete;
    memory_gauge& operator=(const memory_gauge&) = delete;
    ~memory_gauge();

    // 0: the system does not say.
    std::uint64_t resident_bytes() const noexcept;

private:
    [[maybe_unused]] int handle_ = -1;
    [[maybe_unused]] std::uint64_t page_bytes_ = 0;
};

// The smaller of physical memory and the limits of this process's control groups, those above them included.
std::optional<std::uint64_t> allowed_memory();
// That of the control groups alone. membership: as /proc/self/cgroup says it; root: where they are mounted.
std::optional<std::uint64_t> control_group_memory(const std::string& membership, const std::string& root);

// What the heap keeps for later goes back to the system. May take milliseconds.
void give_back_memory() noexcept;

// Overwrites a secret with zeros, which a compiler may leave out of a memset before memory is freed.
void wipe(void* memory, std::size_t bytes) noexcept;

}  // namespace co_wq::os
