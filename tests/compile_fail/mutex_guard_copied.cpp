#include "sync/mutex.hpp"

void use(co_wq::mutex::guard held) {
#ifdef CO_WQ_WRONG
    co_wq::mutex::guard second(held);
#else
    co_wq::mutex::guard second(std::move(held));
#endif
    second.unlock();
}
