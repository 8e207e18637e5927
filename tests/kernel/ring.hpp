// A ring as the backend makes it, for questions to the kernel.
#pragma once

#include <liburing.h>
#include <sys/mman.h>

#include <memory>

#include "kernel.hpp"

namespace kernel {

class ring {
public:
    explicit ring(unsigned entries = 256, unsigned cq_entries = 2048) {
        io_uring_params params{};
        params.flags = IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_TASKRUN_FLAG |
                       IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
        params.cq_entries = cq_entries;
        error_ = io_uring_queue_init_params(entries, &ring_, &params);
        features_ = params.features;
    }
    ring(const ring&) = delete;
    ring& operator=(const ring&) = delete;
    ~ring() { exit(); }
    void exit() {
        if (error_ == 0) io_uring_queue_exit(&ring_);
        error_ = -ECANCELED;
    }

    int error() const { return error_; }
    unsigned features() const { return features_; }
    io_uring* operator->() { return &ring_; }
    io_uring* get() { return &ring_; }
    io_uring_sqe* sqe(std::uint64_t tag) {
        io_uring_sqe* one = io_uring_get_sqe(&ring_);
        EXPECT_NE(one, nullptr);
        one->user_data = tag;  // prep_* leaves it alone in no version: set again by tag()
        tag_ = tag;
        return one;
    }
    void tag(io_uring_sqe* one) const { io_uring_sqe_set_data64(one, tag_); }
    int submit() { return io_uring_submit(&ring_); }

    // Those that lie in the queue already, without asking the kernel.
    unsigned lying() { return io_uring_cq_ready(&ring_); }

    // The next completion; false: none within the time.
    bool next(io_uring_cqe& out, int limit_ms = soon_ms) {
        io_uring_cqe* one = nullptr;
        __kernel_timespec limit{limit_ms / 1000, (limit_ms % 1000) * 1'000'000ll};
        if (io_uring_submit_and_wait_timeout(&ring_, &one, 1, &limit, nullptr) < 0 || !one) return false;
        out = *one;
        io_uring_cqe_seen(&ring_, one);
        return true;
    }
    // The next one's result; more: whether another will follow under its name.
    int result_of(std::uint64_t tag, bool* more = nullptr) {
        io_uring_cqe got{};
        while (next(got)) {
            if (got.user_data != tag) continue;
            if (more) *more = (got.flags & IORING_CQE_F_MORE) != 0;
            flags = got.flags;
            return got.res;
        }
        ADD_FAILURE() << "no completion of " << tag;
        return 1 << 30;
    }
    bool quiet() {
        io_uring_cqe got{};
        return !next(got, quiet_ms);
    }
    void cancel(std::uint64_t victim, std::uint64_t name = 0) {
        io_uring_sqe* one = sqe(name);
        io_uring_prep_cancel64(one, victim, 0);
        one->flags |= IOSQE_CQE_SKIP_SUCCESS;
        tag(one);
    }

    std::uint32_t flags = 0;

private:
    io_uring ring_{};
    int error_ = 0;
    unsigned features_ = 0;
    std::uint64_t tag_ = 0;
};

// The tests of a ring; where none is allowed the backend is not used either.
class uring : public testing::Test {
protected:
    void SetUp() override {
        if (made.error() < 0) GTEST_SKIP() << "no such ring here: " << std::strerror(-made.error());
    }
    ring made;
};

// Blocks the kernel takes from by itself.
class provided {
public:
    static constexpr unsigned block_bytes = 64;
    provided(ring& with, unsigned count) : ring_(with), count_(count), memory_(count * block_bytes) {
        void* pages = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
        shared_ = static_cast<io_uring_buf_ring*>(pages);
        io_uring_buf_ring_init(shared_);
        io_uring_buf_reg registration{};
        registration.ring_addr = reinterpret_cast<std::uint64_t>(pages);
        registration.ring_entries = count;
        EXPECT_EQ(io_uring_register_buf_ring(with.get(), &registration, 0), 0);
        for (unsigned id = 0; id < count; ++id) offer(id);
    }
    ~provided() {
        io_uring_unregister_buf_ring(ring_.get(), 0);
        ::munmap(shared_, 4096);
    }
    void offer(unsigned id) {
        io_uring_buf_ring_add(shared_, memory_.data() + id * block_bytes, block_bytes, static_cast<unsigned short>(id),
                              io_uring_buf_ring_mask(count_), 0);
        io_uring_buf_ring_advance(shared_, 1);
    }
    std::string text(unsigned id, int size) const {
        return {memory_.data() + id * block_bytes, static_cast<std::size_t>(size)};
    }

private:
    ring& ring_;
    unsigned count_;
    std::vector<char> memory_;
    io_uring_buf_ring* shared_;
};

}  // namespace kernel
