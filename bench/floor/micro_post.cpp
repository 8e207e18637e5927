// The floor of post_chain and of the yields: an intrusive first-in-first-out list of callbacks on one thread.
#include <coroutine>
#include <exception>
#include <initializer_list>

#include "floor/arguments.hpp"

namespace {

using namespace co_wq::bench;

struct node {
    explicit node(void (*call)(node&)) noexcept : run(call) {}
    node* next = nullptr;
    void (*run)(node&);
};

class fifo {
public:
    void push(node& one) noexcept {
        one.next = nullptr;
        *last_ = &one;
        last_ = &one.next;
    }
    void drain() {
        while (node* one = first_) {
            first_ = one->next;
            if (!first_) last_ = &first_;
            one->run(*one);
        }
    }

private:
    node* first_ = nullptr;
    node** last_ = &first_;
};

fifo queue;

struct chain : node {
    explicit chain(long links) noexcept
        : node([](node& self) {
              auto& me = static_cast<chain&>(self);
              if (--me.left > 0) queue.push(me);
          }),
          left(links) {}
    long left;
};

class give_way : node {
public:
    give_way() noexcept : node([](node& self) { static_cast<give_way&>(self).waiting_.resume(); }) {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiting) noexcept {
        waiting_ = waiting;
        queue.push(*this);
    }
    void await_resume() const noexcept {}

private:
    std::coroutine_handle<> waiting_;
};

// Runs at once and frees itself at its end.
struct detached {
    struct promise_type {
        detached get_return_object() noexcept { return {}; }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        std::suspend_never final_suspend() const noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { std::terminate(); }
    };
};

detached yielder(long n, long& done) {
    for (long i = 0; i < n; ++i) {
        co_await give_way();
        ++done;
    }
}

void measure_yields(const char* metric, int tasks, long n, bool warm) {
    long done = 0;
    const std::int64_t start = wall_ns();
    for (int i = 0; i < tasks; ++i) yielder(n, done);
    queue.drain();
    if (warm) report(metric, wall_ns() - start, n * tasks);
    require(done == n * tasks, metric);
}

}  // namespace

int main(int argc, char** argv) {
    const double scale = scale_argument(argc, argv);
    for (const bool warm : {false, true}) {
        const long n = warm ? scaled(2e7, scale) : 50'000;
        chain links(n);
        const std::int64_t start = wall_ns();
        queue.push(links);
        queue.drain();
        if (warm) report("post_chain", wall_ns() - start, n);
        require(links.left == 0, "post_chain");
        measure_yields("yield_1", 1, warm ? scaled(1e7, scale) : 50'000, warm);
        measure_yields("yield_64", 64, warm ? scaled(2e5, scale) : 1'000, warm);
    }
}
