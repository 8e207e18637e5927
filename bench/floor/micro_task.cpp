// The floor of task_depth1 and task_depth10: a lazy C++ coroutine with symmetric transfer and frames from a free
// list; no scheduler, no cancellation, no exceptions kept.
#include <coroutine>
#include <cstddef>
#include <cstdlib>
#include <initializer_list>
#include <new>
#include <utility>

#include "floor/arguments.hpp"

namespace {

using namespace co_wq::bench;

// One list per 64 bytes of size; memory is never given back.
class frame_memory {
public:
    static void* take(std::size_t bytes) {
        free_frame*& head = heads_[(bytes - 1) / step];
        if (!head) return ::operator new((bytes + step - 1) / step * step);
        return std::exchange(head, head->next);
    }
    static void give(void* memory, std::size_t bytes) noexcept {
        free_frame*& head = heads_[(bytes - 1) / step];
        head = ::new (memory) free_frame{head};
    }

private:
    struct free_frame {
        free_frame* next;
    };
    static constexpr std::size_t step = 64;
    static inline free_frame* heads_[16] = {};
};

class bare_task {
public:
    struct promise_type {
        static void* operator new(std::size_t bytes) { return frame_memory::take(bytes); }
        static void operator delete(void* frame, std::size_t bytes) noexcept { frame_memory::give(frame, bytes); }

        bare_task get_return_object() noexcept { return bare_task(handle::from_promise(*this)); }
        std::suspend_always initial_suspend() const noexcept { return {}; }
        struct back_to_awaiter {
            bool await_ready() const noexcept { return false; }
            std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> ended) const noexcept {
                return ended.promise().awaiter;
            }
            void await_resume() const noexcept {}
        };
        back_to_awaiter final_suspend() const noexcept { return {}; }
        void return_value(long result) noexcept { value = result; }
        void unhandled_exception() noexcept { std::abort(); }

        std::coroutine_handle<> awaiter = std::noop_coroutine();
        long value = 0;
    };
    using handle = std::coroutine_handle<promise_type>;

    explicit bare_task(handle frame) noexcept : frame_(frame) {}
    bare_task(bare_task&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
    bare_task& operator=(bare_task&&) = delete;
    ~bare_task() {
        if (frame_) frame_.destroy();
    }

    void start() { frame_.resume(); }
    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiter) noexcept {
        frame_.promise().awaiter = awaiter;
        return frame_;
    }
    long await_resume() const noexcept { return frame_.promise().value; }

private:
    handle frame_;
};

[[gnu::noinline]] bare_task leaf(long x) { co_return x + 1; }

[[gnu::noinline]] bare_task nest(int depth, long x) {
    if (depth == 1) co_return x + 1;
    co_return co_await nest(depth - 1, x) + 1;
}

bare_task run_all(double scale) {
    for (const bool warm : {false, true}) {
        long n = warm ? scaled(5e6, scale) : 50'000;
        long sum = 0;
        std::int64_t start = wall_ns();
        for (long i = 0; i < n; ++i) sum += co_await leaf(i);
        if (warm) report("task_depth1", wall_ns() - start, n);
        require(sum == n * (n + 1) / 2, "task_depth1: the sum");

        n = warm ? scaled(5e5, scale) : 5'000;
        sum = 0;
        start = wall_ns();
        for (long i = 0; i < n; ++i) sum += co_await nest(10, i);
        if (warm) report("task_depth10", wall_ns() - start, n);
        require(sum == n * (n - 1) / 2 + 10 * n, "task_depth10: the sum");
    }
    co_return 0;
}

}  // namespace

int main(int argc, char** argv) { run_all(scale_argument(argc, argv)).start(); }
