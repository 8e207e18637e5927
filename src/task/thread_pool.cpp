#include "task/thread_pool.hpp"

#include <system_error>

namespace co_wq {

thread_pool::thread_pool(unsigned threads, const char* name) : name_(name) {
    CO_WQ_REQUIRE(threads > 0, "a thread pool has at least one thread");
    threads_.reserve(threads);
    for (unsigned i = 0; i < threads; ++i) {
        try {
            threads_.emplace_back([this] { work(); });
        } catch (const std::system_error&) {
            if (threads_.empty()) throw;
            break;  // fewer do the work as well
        }
    }
}

thread_pool::~thread_pool() {
    {
        const std::scoped_lock guard(lock_);
        ending_ = true;
    }
    changed_.notify_all();
    for (std::thread& one : threads_) {
        CO_WQ_REQUIRE(one.get_id() != std::this_thread::get_id(),
                      "a thread pool cannot be destroyed by its own thread");
        one.join();
    }
}

void thread_pool::execute(worknode& node) noexcept {
    const std::scoped_lock guard(lock_);
    queue_.push(node);
    if (sleeping_ > 0) changed_.notify_one();
}

void thread_pool::work() noexcept {
    pool_free(pool_allocate(1), 1);  // registers this thread's memory lists for return at its end
    std::unique_lock guard(lock_);
    for (;;) {
        if (worknode* node = queue_.pop()) {
            guard.unlock();
            node->run();
            detail::running_frame = nullptr;
            guard.lock();
        } else if (ending_) {
            return;
        } else {
            ++sleeping_;
            changed_.wait(guard);
            --sleeping_;
        }
    }
}

}  // namespace co_wq
