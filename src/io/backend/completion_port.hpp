// completion_port: what reactor_iocp asks of Windows; tests put their own in between.
//
// Guarantees: an operation that is pending has exactly one packet, however it ends and whether or not a cancel was
//             accepted: until take() has given it out the kernel may write to its memory.
// Threads:    wake: any; all else the loop's own.
// Source:     CreateIoCompletionPort, GetQueuedCompletionStatusEx, CancelIoEx, SetFileCompletionNotificationModes;
//             NtReadFile, NtWriteFile, FSCTL_PIPE_LISTEN ([MS-FSCC]), which is what ConnectNamedPipe asks for.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/bytes.hpp"
#include "base/os/kernel_memory.hpp"
#include "io/descriptor.hpp"

namespace co_wq::io {

// An operation has ended. What it came to is in its memory.
struct packet {
    std::uint64_t word = 0;     // what it was started with; 0: somebody called wake
    std::uint32_t status = 0;   // 0, or a failure (an NTSTATUS)
};

enum class start_outcome : std::uint8_t {
    pending,    // a packet comes
    done,       // at once, and no packet comes
    refused,    // nothing was started: GetLastError says why
};

class completion_port {
public:
    virtual ~completion_port() = default;
    // Asks the socket for one of the events (afd::event). The kernel is given `word` as the name of it, and the memory.
    // lane: operations of one lane are cancelled on the same handle; few of them should share one.
    virtual start_outcome start_poll(os::kernel_memory& operation, std::uint64_t word, std::uint32_t lane,
                                     native_handle socket, std::uint32_t events) noexcept = 0;
    // ---- named pipes
    // Operations on the pipe have their packets here from now on, for good. False: GetLastError says why.
    virtual bool associate(native_handle pipe) noexcept = 0;
    // The memory at `into` and `data` is the kernel's until the packet was taken. How many bytes: moved_by.
    virtual start_outcome start_read(os::kernel_memory& operation, std::uint64_t word, native_handle pipe,
                                     bytes into) noexcept = 0;
    virtual start_outcome start_write(os::kernel_memory& operation, std::uint64_t word, native_handle pipe,
                                      const_bytes data) noexcept = 0;
    // Waits for somebody who connects; done: he is there, or was and is gone again.
    virtual start_outcome start_listen(os::kernel_memory& operation, std::uint64_t word,
                                       native_handle pipe) noexcept = 0;
    virtual bool cancel_on(os::kernel_memory& operation, native_handle pipe) noexcept = 0;

    // True: accepted, which does not say how the operation ends.
    virtual bool cancel(os::kernel_memory& operation, std::uint32_t lane) noexcept = 0;
    // Waits for at most so long; negative: for ever. How many came.
    virtual std::size_t take(std::span<packet> into, std::int64_t limit_ms) noexcept = 0;
    virtual void wake() noexcept = 0;
};

// Throws std::system_error when the system has none to give.
std::unique_ptr<completion_port> make_completion_port();

}  // namespace co_wq::io
