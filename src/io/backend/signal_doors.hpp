// signal_doors: where other processes of Windows, which has no kill(2), leave signals for this one.
//
// For:        signal_windows.cpp. Nothing of it is compiled elsewhere.
// How:        a semaphore for each number, which has a name; what is added to it comes to a thread of the system, each
//             one once. The name is made of the process's number and the moment at which it began, in 100 ns: nobody
//             knows it beforehand, and a number that is used again has another one. A name that is there already is
//             somebody else's: it is not used, and the log says so.
// Who may:    the user of this process, administrators and the system; of these, no process of a lower integrity level
//             (os::own_label; Windows writes up to nobody): none that is not elevated, if this one is.
// Stay open:  a number that is unblocked again keeps its door, and what is left there then is dropped, though its
//             sender is told that it was left.
// Threads:    doors: one at a time. knock: any.
// Lifetime:   that of the process.
// Source:     CreateSemaphoreW, RegisterWaitForSingleObject, "Kernel Object Namespaces", "Security Descriptor String
//             Format", GetProcessTimes.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.hpp"

namespace co_wq::io {

class signal_doors {
public:
    static constexpr int number_max = 63;
    static constexpr long queue_max = 64;  // of one number, before a thread has come for them

    // For each of these numbers (bit n is number n), once. `came` is called by threads of the system.
    void open(std::uint64_t bits, void (*came)(int) noexcept) noexcept;

private:
    std::uint64_t opened_ = 0;
};

// Leaves a signal at another process's door. Errors: as queue_signal.
result<void> knock(int process, int number) noexcept;

// The door's name; born: when the process began.
std::wstring name_of_door(std::uint32_t process, std::uint64_t born, int number);
// When this process began; 0: not known.
std::uint64_t own_birth() noexcept;
// When another one began, from the system's list, which takes no right to that process. Errors: not_found,
// permission_denied, out_of_memory.
result<std::uint64_t> listed_birth(std::uint32_t process);

}  // namespace co_wq::io
