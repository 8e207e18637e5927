// The io_uring backend: one ring, DEFER_TASKRUN | SINGLE_ISSUER | TASKRUN_FLAG.
//
// Sockets are watched by one multishot poll each (and another poll while a writer waits for room) and read and written
// by us, so the kernel never holds caller memory. It holds only memory of ours: listeners run a multishot accept,
// streams that are read into leases a multishot receive with a provided-buffer ring of pool blocks, connects a request
// whose address is in pool memory, and small messages are sent from a copy there, all of a turn with one system call
// (small_send.hpp).
// Every such request is an op slot; its tag is the user_data, its final completion its only death certificate.
//
// A file stays open until all its requests have ended (descriptor::pins), because the kernel would otherwise keep
// the socket alive behind a closed descriptor.
#pragma once

#include <memory>
#include <string>

#include "io/backend/wake_event.hpp"
#include "io/reactor.hpp"

struct io_uring;
struct io_uring_sqe;
struct io_uring_buf_ring;

namespace co_wq::io {

struct uring_features {
    bool multishot_accept = true;
    bool multishot_recv = true;   // with a provided-buffer ring, and the cancel race passed the self-test
    std::uint32_t file_calls = 0;  // one bit for each file_call that the ring has
};

class reactor_uring final : public reactor {
public:
    // Error and reason when the kernel, seccomp or limits do not allow such a ring.
    static result<std::unique_ptr<reactor>> make(op_slab& slots, std::string& why);
    ~reactor_uring() override;

    const char* name() const noexcept override { return "uring"; }
    result<void> watch(descriptor& entry, direction way) noexcept override;
    bool start(op_slot& slot) noexcept override;
    bool tries_first(op_kind kind, op_detail detail, const op_slot::io_payload& io) const noexcept override;
    void request_cancel(op_slot& slot) noexcept override;
    void settle(op_slot& send) noexcept override;
    void forget(descriptor& entry) noexcept override;
    void wait(time_point until) noexcept override;
    void wake() noexcept override { wake_.signal(); }
    bool takes_file(file_call call) const noexcept override;
    void start_file(op_slot& slot) noexcept override;

    static constexpr unsigned ring_blocks = 64;  // provided buffers, power of two
    const uring_features& features() const noexcept { return features_; }

private:
    struct completion {
        std::uint64_t user_data;
        std::int32_t result;
        std::uint32_t flags;
    };
    class buffer_ring;

    explicit reactor_uring(op_slab& slots);
    void probe(std::string& why);
    io_uring_sqe& next_sqe() noexcept;
    op_slot& start_standing(descriptor& entry, op_kind kind) noexcept;
    void start_accept(descriptor& entry) noexcept;
    void start_receive(descriptor& entry) noexcept;
    void start_connect(op_slot& slot) noexcept;
    void start_send(op_slot& slot) noexcept;
    void submit_send(op_slot& slot) noexcept;
    void cancel_standing(op_tag tag) noexcept;
    void arm_wake() noexcept;
    void handle(const completion& done) noexcept;
    void on_poll(op_slot& slot, const completion& done) noexcept;
    void on_refused(descriptor& entry, op_slot* waiting) noexcept;
    void on_accept(op_slot& slot, const completion& done) noexcept;
    void on_receive(op_slot& slot, const completion& done) noexcept;
    void on_connected(op_slot& slot, std::int32_t result) noexcept;
    void on_sent(op_slot& slot, std::int32_t got) noexcept;
    void finish_operation(op_slot& slot, std::int32_t result) noexcept;
    std::int32_t take_arrived(descriptor& entry, op_kind kind, op_detail detail,
                              op_slot::io_payload& io) noexcept override;
    void end_accepting(descriptor& entry) noexcept override;
    void drop_extra(descriptor& entry) noexcept override;
    descriptor_extra& extra_of(descriptor& entry);

    std::unique_ptr<io_uring> ring_;
    std::unique_ptr<buffer_ring> provided_;
    wake_event wake_;
    uring_features features_;
};

}  // namespace co_wq::io
