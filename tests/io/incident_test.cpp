// The incident that this library was made after, on the system where it happened (Windows): completions after
// CancelIoEx whose awaiter is gone, a wrong context, an immediate success that is delivered twice. A small model of the
// old design fails under each, so the replay can fail; the reactor goes through the same, and through cancel storms.
#include <array>
#include <cstring>
#include <thread>

#include "io/backend/native_address.hpp"
#include "io/backend/native_headers.hpp"
#include "io/backend/socket_handle_windows.hpp"
#include "reactors.hpp"
#include "sync/sleep.hpp"
#include "task/yield.hpp"

namespace co_wq::io::test {
namespace {

using namespace std::chrono_literals;

// ---- the old design: OVERLAPPED and queue node inside the awaiter, a serial queue of nodes that have a function

struct old_node {
    old_node* next = nullptr;
    void (*func)(old_node&) = nullptr;
};

struct old_queue : old_node {  // the awaiters' context, which a later fix confused with their nodes
    old_node* first = nullptr;
    old_node* last = nullptr;
    unsigned nulls = 0;
    bool corrupted = false;

    void push(old_node& node) {
        node.next = nullptr;
        (last ? last->next : first) = &node;
        last = &node;
    }
    void drain() {
        for (int steps = 0; first; ++steps) {
            old_node& node = *first;
            if (&node == this || steps > 1000) {  // the list leads into the queue itself
                corrupted = true;
                first = last = nullptr;
                return;
            }
            first = node.next;
            if (!first) last = nullptr;
            if (node.func) {
                node.func(node);
            } else {
                ++nulls;  // here it crashed
            }
        }
    }
};

struct old_awaiter {
    OVERLAPPED overlapped{};
    old_node node;
    void* context = &node;
    unsigned resumed = 0;
    char byte = 0;

    // What its destructor did; the memory stays, so that the test may look at it.
    void die(SOCKET on) {
        ::CancelIoEx(reinterpret_cast<HANDLE>(on), &overlapped);
        node.func = nullptr;
    }
    bool start(SOCKET on) {
        node.func = [](old_node& self) {
            auto* const me =
                reinterpret_cast<old_awaiter*>(reinterpret_cast<char*>(&self) - offsetof(old_awaiter, node));
            ++me->resumed;
        };
        WSABUF into{1, &byte};
        DWORD flags = 0;
        return ::WSARecv(on, &into, 1, nullptr, &flags, &overlapped, nullptr) == 0;
    }
};

class old_design : public testing::Test {
protected:
    void SetUp() override {
        port_ = ::CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, 1);
        ASSERT_NE(port_, nullptr);
        const native_handle listener = *system_calls().open_listener(socket_address::loopback(0), 1, false);
        const native_address where = to_native(*system_calls().local_address(listener));
        far_ = ::WSASocketW(AF_INET, SOCK_STREAM, 0, nullptr, 0, WSA_FLAG_OVERLAPPED);
        ASSERT_EQ(::connect(far_, reinterpret_cast<const sockaddr*>(&where.storage), where.length), 0);
        u_long waits = 0;
        ::ioctlsocket(to_socket(listener), static_cast<long>(FIONBIO), &waits);
        near_ = ::accept(to_socket(listener), nullptr, nullptr);
        ASSERT_NE(near_, INVALID_SOCKET);
        system_calls().close(listener);
        ASSERT_NE(::CreateIoCompletionPort(reinterpret_cast<HANDLE>(near_), port_, 0, 0), nullptr);
    }
    void TearDown() override {
        ::closesocket(near_);
        ::closesocket(far_);
        ::CloseHandle(port_);
    }
    // Takes one packet and puts what its context names into the queue.
    void take_one() {
        OVERLAPPED_ENTRY entry{};
        ULONG count = 0;
        ASSERT_TRUE(::GetQueuedCompletionStatusEx(port_, &entry, 1, &count, 10'000, FALSE));
        auto* const awaiter = reinterpret_cast<old_awaiter*>(entry.lpOverlapped);
        queue_.push(*static_cast<old_node*>(awaiter->context));
    }

    HANDLE port_ = nullptr;
    SOCKET near_ = INVALID_SOCKET, far_ = INVALID_SOCKET;
    old_queue queue_;
};

TEST_F(old_design, meets_a_node_whose_awaiter_is_gone) {
    std::array<old_awaiter, 50> awaiters;
    for (old_awaiter& each : awaiters) {
        each.start(near_);
        each.die(near_);
        take_one();  // it comes all the same
        queue_.drain();
    }
    EXPECT_EQ(queue_.nulls, awaiters.size());
}

TEST_F(old_design, with_a_wrong_context_corrupts_its_list) {
    old_awaiter right, wrong;
    wrong.context = static_cast<old_node*>(&queue_);
    for (old_awaiter* each : {&right, &wrong}) {
        each->start(near_);
        ASSERT_EQ(::send(far_, "x", 1, 0), 1);
        take_one();
    }
    queue_.drain();
    EXPECT_TRUE(queue_.corrupted);
}

TEST_F(old_design, resumes_twice_what_succeeds_at_once) {
    old_awaiter twice;
    ASSERT_EQ(::send(far_, "x", 1, 0), 1);
    fd_set there{1, {near_}};
    timeval limit{10, 0};
    ASSERT_EQ(::select(0, &there, nullptr, nullptr, &limit), 1);
    ASSERT_TRUE(twice.start(near_)) << "a byte is there";
    ++twice.resumed;  // the awaiter goes on at once
    take_one();  // and the packet comes, too
    queue_.drain();
    EXPECT_EQ(twice.resumed, 2u);
}

// ---- this library

struct storm_counts {
    std::uint64_t destroyed = 0, received = 0, sent = 0;
    unruly_counts port;
};

task<void> receive_for_ever(socket& from, std::uint64_t& got) {
    std::byte room[8];
    for (;;) {
        const result<std::size_t> some = co_await from.recv(room);
        if (!some || *some == 0) co_return;
        got += *some;
    }
}

task<void> wait_for_reset(socket& on) {
    const result<void> gone = co_await on.ready(direction::hang_up);
    EXPECT_FALSE(gone.has_value()) << "nobody reset it";
}

// Waits that are destroyed at any time, while bytes come or do not: none is lost, nobody dead is resumed. Who waits for
// something else than the one before has that one's poll cancelled.
task<void> storm(event_loop& here, storm_counts& count, unsigned bouts, std::uint64_t seed) {
    seeded_random random(seed);
    connection pair = co_await make_connection(here);
    for (unsigned bout = 0; bout < bouts; ++bout) {
        counting_scope victims(here);
        if (random.below(3) == 0) {
            victims.spawn(wait_for_reset(pair.near), "victim");
        } else {
            victims.spawn(receive_for_ever(pair.near, count.received), "victim");
        }
        for (std::uint64_t turn = random.below(4); turn > 0; --turn) co_await yield();
        if (random.below(2) == 0) {
            const result<void> sent = co_await pair.far.send_all(as_bytes("x"));
            EXPECT_TRUE(sent.has_value());
            ++count.sent;
        }
        for (std::uint64_t turn = random.below(4); turn > 0; --turn) co_await yield();
        victims.destroy_all();
        ++count.destroyed;
    }
    EXPECT_TRUE(pair.far.shutdown_send().has_value());
    co_await receive_for_ever(pair.near, count.received);
}

struct unruly_options {
    std::uint64_t seed;
    unruly_counts* counts;
};

std::unique_ptr<reactor> unruly_reactor(void* context, op_slab& slots) {
    const auto& options = *static_cast<unruly_options*>(context);
    return std::make_unique<reactor_iocp>(slots, std::make_unique<unruly_port>(options.seed, options.counts));
}

void run_storm(storm_counts& count, unsigned bouts, std::uint64_t seed) {
    unruly_options options{seed, &count.port};
    event_loop loop({.name = "storm"}, &unruly_reactor, &options);
    loop.run(storm(loop, count, bouts, seed));
    const op_counters& books = loop.slots().counters();
    EXPECT_EQ(books.started, books.finished + loop.slots().live());
}

TEST(incident, late_wrong_and_doubled_packets_reach_nobody) {
    storm_counts count;
    for (std::uint64_t seed = 1; seed <= 8; ++seed) run_storm(count, 500, seed);
    EXPECT_EQ(count.received, count.sent);
    EXPECT_EQ(count.destroyed, 4000u);
    EXPECT_GT(count.port.late, 0u) << "polls that succeeded after their cancel was accepted";
    EXPECT_GT(count.port.doubled, 0u);
    EXPECT_GT(count.port.reordered, 0u);
}

TEST(incident, a_storm_of_cancels_on_eight_threads_loses_nothing) {
    std::array<storm_counts, 8> counts;
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < counts.size(); ++i)
        threads.emplace_back([&count = counts[i], i] { run_storm(count, 250, 100 + i); });
    for (std::thread& each : threads) each.join();
    for (const storm_counts& count : counts) {
        EXPECT_EQ(count.received, count.sent);
        EXPECT_EQ(count.destroyed, 250u);
    }
}

}  // namespace
}  // namespace co_wq::io::test
