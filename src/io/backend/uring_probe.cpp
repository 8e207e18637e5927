#include "io/backend/uring_probe.hpp"

#include <liburing.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#include <sanitizer/tsan_interface.h>
#define CO_WQ_TSAN 1
#endif
#endif

namespace co_wq::io {
namespace {

// liburing maps and unmaps a ring's memory by system calls of its own, which ThreadSanitizer does not see: to it, what
// one thread wrote into a ring that is gone races with another thread's next ring at the same address. So what is
// true is said: all that was done to a ring comes before anything that is done to a later one.
#ifdef CO_WQ_TSAN
char ring_memory;
void ring_mapped() noexcept { __tsan_acquire(&ring_memory); }
void ring_unmapping() noexcept { __tsan_release(&ring_memory); }
#else
void ring_mapped() noexcept {}
void ring_unmapping() noexcept {}
#endif

// A ring, a listener or a socket pair, for one question to the kernel.
class trial {
public:
    trial() noexcept { ok_ = uring_setup(ring_, 8) == 0; }
    trial(const trial&) = delete;
    trial& operator=(const trial&) = delete;
    ~trial() {
        if (ok_) uring_exit(ring_);
        for (int handle : sockets_)
            if (handle >= 0) ::close(handle);
    }
    explicit operator bool() const noexcept { return ok_; }
    io_uring& ring() noexcept { return ring_; }
    int& socket(int place) noexcept { return sockets_[place]; }

    // Waits at most 100 ms for the next completion.
    bool next(io_uring_cqe& out) noexcept {
        io_uring_cqe* cqe = nullptr;
        __kernel_timespec limit{0, 100'000'000};
        if (io_uring_submit_and_wait_timeout(&ring_, &cqe, 1, &limit, nullptr) < 0 || !cqe) return false;
        out = *cqe;
        io_uring_cqe_seen(&ring_, cqe);
        return true;
    }

private:
    io_uring ring_{};
    bool ok_ = false;
    int sockets_[3] = {-1, -1, -1};
};

bool ask_for_multishot_accept() noexcept;
bool race_cancels() noexcept;

}  // namespace

int uring_setup(io_uring& ring, unsigned entries) noexcept {
    io_uring_params params{};
    params.flags = IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_TASKRUN_FLAG |
                   IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
    params.cq_entries = entries * 8;
    const int made = io_uring_queue_init_params(entries, &ring, &params);
    if (made < 0) return made;
    ring_mapped();
    if ((params.features & IORING_FEAT_EXT_ARG) && (params.features & IORING_FEAT_NODROP)) return 0;
    uring_exit(ring);
    return -EOPNOTSUPP;
}

void uring_exit(io_uring& ring) noexcept {
    ring_unmapping();
    io_uring_queue_exit(&ring);
}

std::string uring_refusal(int system_error) {
    switch (system_error) {
        case ENOSYS: return "this kernel has no io_uring";
        case EPERM: return "io_uring is forbidden here (kernel.io_uring_disabled, or a container's seccomp profile)";
        case EINVAL: return "this kernel's io_uring lacks DEFER_TASKRUN (Linux 6.1)";
        case ENOMEM: return "the memory-lock limit is too low for a ring (ulimit -l)";
        case EMFILE: return "too many open files for a ring";
        default: return std::string("io_uring_setup: ") + std::strerror(system_error);
    }
}

bool uring_has_multishot_accept() noexcept {
    static const bool answer = ask_for_multishot_accept();  // one process, one kernel: asked once
    return answer;
}

bool uring_cancel_race_is_lossless() noexcept {
    static const bool answer = race_cancels();
    return answer;
}

namespace {

bool ask_for_multishot_accept() noexcept {
    trial test;
    if (!test) return false;
    int& listener = test.socket(0);
    listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof where;
    auto* address = reinterpret_cast<sockaddr*>(&where);
    if (::bind(listener, address, size) != 0 || ::listen(listener, 1) != 0 ||
        ::getsockname(listener, address, &size) != 0)
        return false;
    io_uring_prep_multishot_accept(io_uring_get_sqe(&test.ring()), listener, nullptr, nullptr, SOCK_CLOEXEC);
    io_uring_submit(&test.ring());
    test.socket(1) = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(test.socket(1), address, size) != 0) return false;
    io_uring_cqe done{};
    if (!test.next(done) || done.res < 0) return false;
    test.socket(2) = done.res;
    return (done.flags & IORING_CQE_F_MORE) != 0;
}

constexpr unsigned trial_buffers = 4;
constexpr unsigned trial_bytes = 64;

// Arms a multishot receive, lets bytes arrive, cancels, and counts where they went. The kernel must have ended the
// request before this returns true.
bool one_race(trial& test, bool ask_before_cancel) noexcept {
    io_uring& ring = test.ring();
    io_uring_sqe* sqe = io_uring_get_sqe(&ring);
    io_uring_prep_recv_multishot(sqe, test.socket(0), nullptr, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = 0;
    io_uring_sqe_set_data64(sqe, 1);
    io_uring_submit(&ring);
    const char sent[16] = "co_wq self-test";
    if (::write(test.socket(1), sent, sizeof sent) != sizeof sent) return false;
    if (ask_before_cancel) io_uring_get_events(&ring);
    sqe = io_uring_get_sqe(&ring);
    io_uring_prep_cancel64(sqe, 1, 0);
    io_uring_sqe_set_data64(sqe, 2);
    std::size_t found = 0;
    bool ended = false, cancel_seen = false;
    while (!ended || !cancel_seen) {
        io_uring_cqe done{};
        if (!test.next(done)) return false;
        if (done.user_data == 2) {
            cancel_seen = true;
            continue;
        }
        if (done.res > 0) found += static_cast<std::size_t>(done.res);
        if (!(done.flags & IORING_CQE_F_MORE)) ended = true;
    }
    char rest[64];
    const ssize_t left = ::recv(test.socket(0), rest, sizeof rest, MSG_DONTWAIT);
    if (left > 0) found += static_cast<std::size_t>(left);
    return found == sizeof sent;
}

bool race_cancels() noexcept {
    trial test;
    if (!test) return false;
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return false;
    test.socket(0) = pair[0];
    test.socket(1) = pair[1];
    constexpr std::size_t page = 4096;
    void* memory = ::mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
    if (memory == MAP_FAILED) return false;
    auto* shared = static_cast<io_uring_buf_ring*>(memory);
    io_uring_buf_ring_init(shared);
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<std::uint64_t>(memory);
    registration.ring_entries = trial_buffers;
    bool good = io_uring_register_buf_ring(&test.ring(), &registration, 0) == 0;
    char blocks[trial_buffers][trial_bytes];
    for (int round = 0; good && round < 16; ++round) {
        for (unsigned id = 0; id < trial_buffers && round == 0; ++id)
            io_uring_buf_ring_add(shared, blocks[id], trial_bytes, static_cast<unsigned short>(id),
                                  io_uring_buf_ring_mask(trial_buffers), static_cast<int>(id));
        if (round == 0) io_uring_buf_ring_advance(shared, trial_buffers);
        // a round that was served from the ring used up one block: offer it again under the same number
        const auto before = shared->tail;
        good = one_race(test, round % 2 == 1);
        if (good && round % 2 == 1) {
            io_uring_buf_ring_add(shared, blocks[before % trial_buffers], trial_bytes,
                                  static_cast<unsigned short>(before % trial_buffers),
                                  io_uring_buf_ring_mask(trial_buffers), 0);
            io_uring_buf_ring_advance(shared, 1);
        }
    }
    io_uring_unregister_buf_ring(&test.ring(), 0);
    ::munmap(memory, page);
    return good;
}

}  // namespace

bool has_events(int handle) noexcept {
    const int probe = ::epoll_create1(EPOLL_CLOEXEC);
    if (probe < 0) return true;  // not known
    epoll_event event{EPOLLIN, {}};
    const bool refused = ::epoll_ctl(probe, EPOLL_CTL_ADD, handle, &event) != 0 && errno == EPERM;
    ::close(probe);
    return !refused;
}

}  // namespace co_wq::io
