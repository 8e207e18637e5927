// The rows of the contract matrix, one for every awaiter of the registry.
#pragma once

#include <vector>

#include "contract_registry.hpp"
#include "subject.hpp"

namespace co_wq::contract {

#define CO_WQ_ENUMERATOR(id, what, where) id,
enum class awaiter : unsigned char { CO_WQ_EACH_AWAITER(CO_WQ_ENUMERATOR) };
#undef CO_WQ_ENUMERATOR

struct entry {
    std::vector<variant> (*variants)() = nullptr;
    const char* no_row = nullptr;  // why it needs none of its own

    constexpr entry() = default;
    constexpr explicit entry(std::vector<variant> (*of)()) : variants(of) {}
    constexpr explicit entry(const char* reason) : no_row(reason) {}
    constexpr bool present() const { return variants || no_row; }
};

template <awaiter>
inline constexpr entry row{};

#define CO_WQ_ROW(id)                 \
    std::vector<variant> id##_rows(); \
    template <>                       \
    inline constexpr entry row<awaiter::id> = entry(&id##_rows);
#define CO_WQ_NO_ROW(id, reason) \
    template <>                  \
    inline constexpr entry row<awaiter::id> = entry(reason);

// ---- io
CO_WQ_ROW(io_recv_awaiter)
CO_WQ_ROW(io_recv_lease_awaiter)
CO_WQ_ROW(io_recv_pipe_awaiter)
CO_WQ_ROW(io_send_awaiter)
CO_WQ_ROW(io_send_all_awaiter)
CO_WQ_ROW(io_send_parts_awaiter)
CO_WQ_ROW(io_send_pipe_awaiter)
CO_WQ_ROW(io_poll_awaiter)
CO_WQ_ROW(io_connect_awaiter)
CO_WQ_ROW(io_accept_awaiter)
CO_WQ_ROW(io_recv_from_awaiter)
CO_WQ_ROW(io_recv_batch_awaiter)
CO_WQ_ROW(io_send_to_awaiter)
CO_WQ_ROW(io_send_batch_awaiter)
CO_WQ_ROW(io_recv_files_awaiter)
CO_WQ_ROW(io_send_files_awaiter)
CO_WQ_ROW(io_counter_awaiter)
CO_WQ_ROW(io_signal_awaiter)
CO_WQ_NO_ROW(io_io_awaiter, "base of the operations on sockets")
CO_WQ_ROW(io_file_open_awaiter)
CO_WQ_ROW(io_file_read_awaiter)
CO_WQ_ROW(io_file_write_awaiter)
CO_WQ_ROW(io_file_call_awaiter)
CO_WQ_ROW(io_file_status_awaiter)
CO_WQ_ROW(io_file_transfer_awaiter)
CO_WQ_ROW(io_directory_awaiter)
CO_WQ_NO_ROW(io_file_awaiter, "base of the calls to the file system")

CO_WQ_NO_ROW(io_usb_transfer_awaiter,
             "needs a device of umockdev's: all its cells are in tests/usb/matrix_row_test.cpp")

// ---- net, dns and tls
// ---- net and dns
CO_WQ_ROW(net_accept_awaiter)
CO_WQ_ROW(net_dns_awaited_lookup)
CO_WQ_ROW(net_tls_dtls_awaiter)
CO_WQ_ROW(net_tls_handshake_awaiter)
CO_WQ_ROW(net_tls_recv_awaiter)
CO_WQ_ROW(net_tls_recv_lease_awaiter)
CO_WQ_ROW(net_tls_either_awaiter)
CO_WQ_ROW(net_tls_send_awaiter)
CO_WQ_NO_ROW(net_tls_session_awaiter, "base of the operations on TLS streams")

// ---- sync
CO_WQ_ROW(sleep_awaiter)
CO_WQ_ROW(event_awaiter)
CO_WQ_ROW(semaphore_awaiter)
CO_WQ_ROW(mutex_awaiter)
CO_WQ_ROW(send_awaiter)
CO_WQ_ROW(recv_awaiter)
CO_WQ_NO_ROW(channel_sender, "base of send_awaiter")
CO_WQ_NO_ROW(channel_receiver, "base of recv_awaiter")
CO_WQ_ROW(deadline_awaiter)
CO_WQ_ROW(scope_awaiter)

// ---- task
CO_WQ_ROW(task_awaiter)
CO_WQ_ROW(stop_awaiter)
CO_WQ_ROW(when_all_in_awaiter)
CO_WQ_ROW(when_all_range_awaiter)
CO_WQ_ROW(when_any_awaiter)
CO_WQ_ROW(counting_scope_join_awaiter)
CO_WQ_ROW(yield_awaiter)
CO_WQ_ROW(completion_awaiter)
CO_WQ_ROW(schedule_awaiter)
CO_WQ_ROW(callback_wq)
CO_WQ_ROW(thread_pool)
CO_WQ_ROW(run_on_awaiter)
CO_WQ_NO_ROW(fan_out, "base of the when_all and when_any awaiters")
CO_WQ_NO_ROW(remote_call_awaiter, "base of thread_pool::run and callback_wq::run")
CO_WQ_NO_ROW(remote_task, "the far root of run_on, not awaited itself")
CO_WQ_NO_ROW(spawned, "the root of a spawned task, not awaited; every cell's victim has one")
CO_WQ_NO_ROW(awaiter_ref, "stands for the awaiter behind it")
CO_WQ_NO_ROW(promise_base_final_awaiter, "the end of a frame, which nothing can wait for")
CO_WQ_NO_ROW(this_task_environment_awaiter, "never suspends")

// What is built on the operations on streams; they stand with those. Each system has its own: rows_local.cpp and
// rows_system.cpp, rows_named_pipes.cpp; rows_windows.cpp says what is missing there.
std::vector<variant> pipe_recv_rows();
std::vector<variant> pipe_lease_rows();
std::vector<variant> pipe_send_rows();
std::vector<variant> pipe_send_all_rows();
std::vector<variant> pipe_send_parts_rows();
std::vector<variant> pipe_poll_rows();
std::vector<variant> pipe_accept_rows();
std::vector<variant> child_rows();
std::vector<variant> watch_rows();

#undef CO_WQ_ROW
#undef CO_WQ_NO_ROW

#define CO_WQ_CHECK(id, what, where)                                                                                \
    static_assert(row<awaiter::id>.present(), where ": the awaiter " #id                                            \
                                                    " has no row in the contract matrix; tests/contract/README.md " \
                                                    "says how to write one");
CO_WQ_EACH_AWAITER(CO_WQ_CHECK)
#undef CO_WQ_CHECK

}  // namespace co_wq::contract
