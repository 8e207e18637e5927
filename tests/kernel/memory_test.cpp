// Memory that goes away: the ground that the page-guard tests (tests/storm) stand on.
#include "ring.hpp"

namespace kernel {
namespace {

// A page that can be taken away.
class page {
public:
    page() : at_(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0)) {
        EXPECT_NE(at_, MAP_FAILED);
        std::memset(at_, 'p', bytes);
    }
    ~page() { unmap(); }
    void unmap() {
        if (!std::exchange(gone_, true)) ::munmap(at_, bytes);
    }
    char* get() const { return static_cast<char*>(at_); }
    static constexpr std::size_t bytes = 4096;

private:
    void* at_;
    bool gone_ = false;
};

// G1
TEST(memory, a_call_with_an_unmapped_buffer_fails_and_takes_no_byte) {
    pair one = connect_pair();
    ASSERT_EQ(send_text(one.far, "kept"), 4);
    ASSERT_TRUE(comes(one.near, POLLIN));
    page guarded;
    guarded.unmap();
    EXPECT_EQ(::recv(one.near, guarded.get(), 16, 0), -1);
    EXPECT_EQ(errno, EFAULT);
    EXPECT_EQ(::send(one.near, guarded.get(), 16, MSG_NOSIGNAL), -1);
    EXPECT_EQ(errno, EFAULT);
    EXPECT_EQ(receive(one.near), 4);
}

// G2
TEST_F(uring, a_receive_into_a_page_that_was_unmapped_meanwhile_completes_with_a_fault) {
    pair one = connect_pair();
    page guarded;
    io_uring_sqe* sqe = made.sqe(5);
    io_uring_prep_recv(sqe, one.near, guarded.get(), 16, 0);
    made.tag(sqe);
    made.submit();
    guarded.unmap();
    ASSERT_EQ(send_text(one.far, "late"), 4);
    EXPECT_EQ(made.result_of(5), -EFAULT) << "not a signal, and no byte in memory of others";
}

// G3
TEST_F(uring, a_send_out_of_a_page_that_was_unmapped_meanwhile_completes_with_a_fault) {
    pair one = connect_pair(16384, 16384);
    const std::size_t held = fill(one.near);
    page guarded;
    io_uring_sqe* sqe = made.sqe(5);
    io_uring_prep_send(sqe, one.near, guarded.get(), page::bytes, MSG_NOSIGNAL);
    made.tag(sqe);
    made.submit();
    guarded.unmap();
    EXPECT_EQ(drain(one.far, held), held);
    EXPECT_EQ(made.result_of(5), -EFAULT);
}

}  // namespace
}  // namespace kernel
