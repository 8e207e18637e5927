// clang-format off: it must come first
#include <windows.h>
// clang-format on
#include <winternl.h>

#include <cstddef>
#include <exception>
#include <memory>
#include <vector>

#include "base/log.hpp"
#include "base/os/windows.hpp"
#include "base/os/windows_rights.hpp"
#include "io/backend/handle_windows.hpp"
#include "io/backend/signal_doors.hpp"

namespace co_wq::io {
namespace {

using nt::owned_handle;

std::uint64_t birth_of(HANDLE process) noexcept {
    FILETIME born{}, ended{}, in_kernel{}, in_user{};
    if (!::GetProcessTimes(process, &born, &ended, &in_kernel, &in_user)) return 0;
    return std::uint64_t{born.dwHighDateTime} << 32 | born.dwLowDateTime;
}

// SEMAPHORE_MODIFY_STATE and READ_CONTROL: to leave signals, not to take them away.
os::descriptor_of_rights who_may() {
    const std::wstring own = os::own_user(), rights = own.empty() ? own : os::rights_of_own_user(L"0x20002");
    return rights.empty() ? nullptr : os::descriptor_from(L"O:" + own + rights);
}

// What the system's thread is given; lives as long as the process, as its door does.
struct door {
    int number;
    void (*came)(int) noexcept;
};

void CALLBACK pass_on(void* which, BOOLEAN) noexcept {
    const door& one = *static_cast<const door*>(which);
    one.came(one.number);
}

// Nothing: done.
DWORD open_door(int number, void (*came)(int) noexcept, SECURITY_ATTRIBUTES& rights) {
    const std::wstring name = name_of_door(::GetCurrentProcessId(), own_birth(), number);
    owned_handle semaphore(::CreateSemaphoreW(&rights, 0, signal_doors::queue_max, name.c_str()));
    const DWORD code = ::GetLastError();
    if (!semaphore || code == ERROR_ALREADY_EXISTS) return code;
    auto one = std::make_unique<door>(door{number, came});
    HANDLE wait = nullptr;
    if (!::RegisterWaitForSingleObject(&wait, semaphore.get(), &pass_on, one.get(), INFINITE, WT_EXECUTEDEFAULT))
        return ::GetLastError();
    (void)one.release();
    (void)semaphore.let_go();
    return ERROR_SUCCESS;
}

std::unexpected<error> last_failure() noexcept { return fail(os::last_error()); }

// SYSTEM_PROCESS_INFORMATION, as far as it is needed: the system's headers leave the moment of birth unnamed.
struct listed_process {
    ULONG to_next, threads;
    std::int64_t reserved_1[3];
    std::uint64_t born;
    std::int64_t reserved_2[2];
    UNICODE_STRING name;
    LONG priority;
    HANDLE process;
};
static_assert(offsetof(listed_process, born) == 32 && offsetof(listed_process, process) == 80);

// A service's process may not let administrators open it without the privilege to debug; the list tells everybody.
result<std::uint64_t> birth_of_process(std::uint32_t process) {
    const owned_handle found(::OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, process));
    if (!found) {
        if (::GetLastError() == ERROR_INVALID_PARAMETER) return fail(errc::not_found);
        return ::GetLastError() == ERROR_ACCESS_DENIED ? listed_birth(process) : last_failure();
    }
    DWORD code = 0;
    // one that has ended is there as long as somebody looks at it
    if (::GetExitCodeProcess(found.get(), &code) && code != STILL_ACTIVE) return fail(errc::not_found);
    return birth_of(found.get());
}

}  // namespace

std::uint64_t own_birth() noexcept { return birth_of(::GetCurrentProcess()); }

std::wstring name_of_door(std::uint32_t process, std::uint64_t born, int number) {
    return L"Global\\co_wq_signal_" + std::to_wstring(process) + L"_" + std::to_wstring(born) + L"_" +
           std::to_wstring(number);
}

void signal_doors::open(std::uint64_t bits, void (*came)(int) noexcept) noexcept {
    bits &= ~opened_;
    if (bits == 0) return;
    opened_ |= bits;
    try {
        const os::descriptor_of_rights descriptor = who_may();
        DWORD wrong = descriptor ? ERROR_SUCCESS : ::GetLastError();
        SECURITY_ATTRIBUTES rights{sizeof rights, descriptor.get(), FALSE};
        for (int number = 1; number <= number_max && descriptor; ++number)
            if ((bits >> number & 1) != 0)
                if (const DWORD code = open_door(number, came, rights); code != ERROR_SUCCESS) wrong = code;
        if (wrong == ERROR_ALREADY_EXISTS || wrong == ERROR_ACCESS_DENIED || wrong == ERROR_INVALID_HANDLE)
            log::warn("signals of other processes: somebody else took their name, so they do not come");
        else if (wrong != ERROR_SUCCESS)
            log::warn("signals of other processes do not come: {}", os::from_windows(wrong).message());
    } catch (const std::exception&) {  // no memory: they do not come
    }
}

result<std::uint64_t> listed_birth(std::uint32_t process) {
    constexpr std::size_t size_max = std::size_t{64} << 20;
    for (std::size_t size = std::size_t{256} << 10; size <= size_max; size *= 2) {
        std::vector<std::max_align_t> place(size / sizeof(std::max_align_t));
        const auto* const begin = reinterpret_cast<const std::byte*>(place.data());
        ULONG used = 0;
        const NTSTATUS status =
            ::NtQuerySystemInformation(SystemProcessInformation, place.data(), static_cast<ULONG>(size), &used);
        if (static_cast<std::uint32_t>(status) == 0xc0000004) continue;  // STATUS_INFO_LENGTH_MISMATCH
        if (status < 0) return fail(errc::permission_denied);
        for (std::size_t at = 0; at + sizeof(listed_process) <= used;) {
            const auto& one = *reinterpret_cast<const listed_process*>(begin + at);
            if (reinterpret_cast<std::uintptr_t>(one.process) == process && one.threads > 0) return one.born;
            if (one.to_next == 0) break;
            at += one.to_next;
        }
        return fail(errc::not_found);
    }
    return fail(errc::out_of_memory);
}

result<void> knock(int process, int number) noexcept {
    try {
        const auto whom = static_cast<std::uint32_t>(process);
        const result<std::uint64_t> born = birth_of_process(whom);
        if (!born) return std::unexpected(born.error());
        const std::wstring name = name_of_door(whom, *born, number);
        const owned_handle semaphore(::OpenSemaphoreW(SEMAPHORE_MODIFY_STATE, FALSE, name.c_str()));
        if (!semaphore) return ::GetLastError() == ERROR_FILE_NOT_FOUND ? fail(errc::not_supported) : last_failure();
        if (!::ReleaseSemaphore(semaphore.get(), 1, nullptr))
            return ::GetLastError() == ERROR_TOO_MANY_POSTS ? fail(errc::limit_exceeded) : last_failure();
        return {};
    } catch (const std::exception&) {
        return fail(errc::out_of_memory);
    }
}

}  // namespace co_wq::io
