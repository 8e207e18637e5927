#include "task/thread_pool.hpp"

int shared = 0;
co_wq::task<int> use(co_wq::thread_pool& pool) {
#ifdef CO_WQ_WRONG
    co_return co_await pool.run([]() -> int& { return shared; });
#else
    co_return co_await pool.run([]() -> int { return shared; });
#endif
}
