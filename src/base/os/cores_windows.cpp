#include <windows.h>

#include <algorithm>
#include <bit>
#include <iterator>

#include "base/os/cores.hpp"
#include "base/os/windows.hpp"

namespace co_wq::os {
namespace {

// Of JOBOBJECT_CPU_RATE_CONTROL_INFORMATION: with it, the word that holds CpuRate holds the least rate in its lower
// half and the highest one in its upper. Older headers name neither.
constexpr DWORD with_least_and_highest = 0x10;

// Those the process may run on. A process of several processor groups has no mask for all of them.
unsigned allowed_processors() noexcept {
    DWORD_PTR own = 0, all = 0;
    if (::GetActiveProcessorGroupCount() <= 1)
        return ::GetProcessAffinityMask(::GetCurrentProcess(), &own, &all) ? static_cast<unsigned>(std::popcount(own))
                                                                           : 1;
    USHORT groups[64];
    USHORT count = std::size(groups);
    if (!::GetProcessGroupAffinity(::GetCurrentProcess(), &count, groups)) return 1;
    unsigned sum = 0;
    for (USHORT i = 0; i < count; ++i) sum += ::GetActiveProcessorCount(groups[i]);
    return sum;
}

unsigned job_cores() noexcept {
    JOBOBJECT_CPU_RATE_CONTROL_INFORMATION rate{};
    if (!::QueryInformationJobObject(nullptr, JobObjectCpuRateControlInformation, &rate, sizeof rate, nullptr))
        return 0;  // in no job, or the system does not know such limits
    if (!(rate.ControlFlags & JOB_OBJECT_CPU_RATE_CONTROL_ENABLE)) return 0;
    const unsigned all = ::GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
    if (rate.ControlFlags & with_least_and_highest) return cores_of_rate(HIWORD(rate.CpuRate), all);
    return rate.ControlFlags & JOB_OBJECT_CPU_RATE_CONTROL_HARD_CAP ? cores_of_rate(rate.CpuRate, all) : 0;
}

}  // namespace

unsigned cores_of_rate(std::uint32_t rate, unsigned processors) noexcept {
    constexpr std::uint32_t whole = 10'000;
    if (rate == 0 || rate >= whole) return 0;
    return static_cast<unsigned>((std::uint64_t{rate} * processors + whole - 1) / whole);
}

unsigned quota_cores(const std::string&, const std::string&) { return 0; }

unsigned usable_cores() noexcept {
    const unsigned processors = std::max(allowed_processors(), 1u);
    const unsigned quota = job_cores();
    return quota == 0 ? processors : std::min(processors, quota);
}

}  // namespace co_wq::os
