// Borrowed memory lives alone on pages that are unmapped the moment its awaiter dies. What the kernel, or we, still did
// with it would show as EFAULT (tests/kernel/memory_test.cpp), where a sanitizer sees nothing.
#include <sys/mman.h>

#include "arena.hpp"
#include "io/socket.hpp"
#include "kernel/kernel.hpp"
#include "sync/sleep.hpp"

namespace co_wq::storm {
namespace {

using namespace std::chrono_literals;

class guarded {
public:
    explicit guarded(std::size_t size)
        : mapped_((size + page - 1) / page * page),
          at_(static_cast<std::byte*>(
              ::mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0))),
          size_(size) {}
    guarded(const guarded&) = delete;
    guarded& operator=(const guarded&) = delete;
    ~guarded() { unmap(); }
    void unmap() noexcept {
        if (at_) ::munmap(std::exchange(at_, nullptr), mapped_);
    }
    // At the end of the pages, so that a byte too many is caught as well.
    bytes data() const { return {at_ + mapped_ - size_, size_}; }

private:
    static constexpr std::size_t page = 4096;
    std::size_t mapped_;
    std::byte* at_;
    std::size_t size_;
};

struct stream {
    explicit stream(io::event_loop& loop, int type = SOCK_STREAM) {
        int ends[2];
        EXPECT_EQ(::socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
        kernel::set_option(ends[0], SOL_SOCKET, SO_SNDBUF, 8192);
        near = io::socket(loop, ends[0],
                          type == SOCK_STREAM ? io::descriptor_kind::stream : io::descriptor_kind::datagram);
        far = kernel::file(ends[1]);
    }
    void fill() const {
        static const std::string block(1024, 'f');
        while (kernel::send_text(near.handle(), block) > 0) {
        }
    }
    void drain() const {
        static thread_local std::array<char, 65536> sink;
        while (::recv(far, sink.data(), sink.size(), 0) > 0) {
        }
    }
    io::socket near;
    kernel::file far;
};

using victim = task<void> (*)(stream&, std::size_t size, last_words&);

// Whatever an operation is given dies with it: the buffer's destructor runs right after the awaiter's.
task<void> receives(stream& on, std::size_t size, last_words& words) {
    const guarded buffer(size);
    const result<std::size_t> got = co_await on.near.recv(buffer.data());
    words.say(got);
}
task<void> receives_after_lease(stream& on, std::size_t size, last_words& words) {
    {
        const result<io::lease> first = co_await on.near.recv_lease(size);
        if (!words.say(first)) co_return;
    }
    words = {};
    const guarded buffer(size);
    const result<std::size_t> got = co_await on.near.recv(buffer.data());
    words.say(got);
}
task<void> sends(stream& on, std::size_t size, last_words& words) {
    const guarded buffer(size);
    const result<std::size_t> sent = co_await on.near.send(buffer.data());
    words.say(sent);
}
task<void> sends_all(stream& on, std::size_t size, last_words& words) {
    const guarded buffer(size);
    const result<void> sent = co_await on.near.send_all(buffer.data());
    words.say(sent);
}
task<void> sends_parts(stream& on, std::size_t size, last_words& words) {
    const guarded first(size / 2), second(size - size / 2);
    const std::array<const_bytes, 3> parts{first.data(), const_bytes{}, second.data()};
    const result<void> sent = co_await on.near.send_all(parts);
    words.say(sent);
}

// Not only the bytes: what describes a batch is borrowed, too.
template <class T>
std::span<T> made_in(const guarded& memory, std::size_t count) {
    std::byte* at = memory.data().data();
    for (std::size_t i = 0; i < count; ++i) ::new (static_cast<void*>(at + i * sizeof(T))) T{};
    return {std::launder(reinterpret_cast<T*>(at)), count};
}
task<void> receives_datagram(stream& on, std::size_t size, last_words& words) {
    const guarded buffer(size);
    const result<io::received> got = co_await on.near.recv_from(buffer.data());
    words.say(got);
}
task<void> receives_datagrams(stream& on, std::size_t size, last_words& words) {
    const guarded buffer(size), list(3 * sizeof(io::incoming));
    const std::span all = made_in<io::incoming>(list, 3);
    for (io::incoming& one : all) one.into = buffer.data();
    const result<std::size_t> got = co_await on.near.recv_batch(all);
    words.say(got);
}
task<void> sends_datagram(stream& on, std::size_t size, last_words& words) {
    const guarded buffer(size);
    const result<void> sent = co_await on.near.send_to({.data = buffer.data()});
    words.say(sent);
}
task<void> sends_datagrams(stream& on, std::size_t size, last_words& words) {
    const guarded buffer(size), list(3 * sizeof(io::outgoing));
    const std::span all = made_in<io::outgoing>(list, 3);
    for (io::outgoing& one : all) one.data = buffer.data();
    const result<std::size_t> sent = co_await on.near.send_batch(all);
    words.say(sent);
}

struct form {
    const char* name;
    victim work;
    std::size_t size;
    bool sending;
    int type = SOCK_STREAM;
};
constexpr form forms[] = {
    {"recv_small", &receives, 16, false},
    {"recv_large", &receives, 100'000, false},
    {"recv_after_recv_lease", &receives_after_lease, 4096, false},
    {"send_small", &sends, 1000, true},
    {"send_large", &sends, 20'000, true},
    {"send_all_small", &sends_all, 1000, true},
    {"send_all_large", &sends_all, 50'000, true},
    {"send_parts_small", &sends_parts, 1000, true},
    {"send_parts_large", &sends_parts, 50'000, true},
    {"recv_from", &receives_datagram, 2000, false, SOCK_DGRAM},
    {"recv_batch", &receives_datagrams, 2000, false, SOCK_DGRAM},
    {"send_to", &sends_datagram, 1000, true, SOCK_DGRAM},
    {"send_batch", &sends_datagrams, 1000, true, SOCK_DGRAM},
};

class page_guard : public testing::TestWithParam<std::tuple<form, io::reactor_kind>> {};

// The peer goes on after the victim's death: whoever still held the buffer would use it now.
void act_as_peer(const stream& on, bool sending) {
    if (sending) return on.drain();
    (void)kernel::send_text(on.far, "to whom it may concern");
}

TEST_P(page_guard, no_completion_ever_finds_its_memory_gone) {
    const auto [which, kind] = GetParam();
    const std::size_t before = open_descriptors();
    {
        arena in(kind, rounds(2000));
        std::optional<stream> on;
        in.also_close([&] { on->near.close(); });
        while (in.next()) {
            on.emplace(in.loop(), which.type);
            if (which.sending) on->fill();
            in.fight(which.work(*on, which.size, in.words), [&] {
                do {
                    act_as_peer(*on, which.sending);
                    std::this_thread::yield();
                } while (!in.over());
            });
            act_as_peer(*on, which.sending);
            on->near.close();
            in.settle();
        }
        on.reset();
        EXPECT_EQ(in.loop().reactor().stats().bad_memory, 0u);
        const report seen = in.finish();
        EXPECT_EQ(seen.lost, 0) << seen.first_loss;
        EXPECT_GT(seen.completed, 0);
        EXPECT_GT(seen.cancelled, 0);
        EXPECT_GT(seen.destroyed, 0);
    }
    EXPECT_EQ(open_descriptors(), before);
}

std::string name_of_form(const testing::TestParamInfo<page_guard::ParamType>& info) {
    const auto [which, kind] = info.param;
    return std::string(which.name) + "_" + io::name_of(kind);
}

INSTANTIATE_TEST_SUITE_P(forms, page_guard,
                         testing::Combine(testing::ValuesIn(forms),
                                          testing::Values(io::reactor_kind::epoll, io::reactor_kind::uring)),
                         name_of_form);

// The test can fail: memory that dies before its awaiter is seen.
class page_guard_itself : public testing::TestWithParam<io::reactor_kind> {};

TEST_P(page_guard_itself, sees_memory_that_died_too_early) {
    arena in(GetParam(), 1);
    guarded buffer(64);
    last_words words;
    stream on(in.loop());
    auto reads = [](stream& from, guarded& into, last_words& said) -> task<void> {
        const result<std::size_t> got = co_await from.near.recv(into.data());
        said.say(got);
    };
    counting_scope scope(in.loop());
    scope.spawn(reads(on, buffer, words), "reader");
    in.loop().run_ready();
    buffer.unmap();
    EXPECT_EQ(kernel::send_text(on.far, "late"), 4);
    EXPECT_TRUE(in.eventually("the read ends", [&] { return scope.empty(); }));
    EXPECT_TRUE(words.ended && !words.won);
    EXPECT_EQ(in.loop().reactor().stats().bad_memory, 1u);
}

INSTANTIATE_TEST_SUITE_P(reactors, page_guard_itself, testing::Values(io::reactor_kind::epoll, io::reactor_kind::uring),
                         [](const auto& info) { return std::string(io::name_of(info.param)); });

}  // namespace
}  // namespace co_wq::storm
