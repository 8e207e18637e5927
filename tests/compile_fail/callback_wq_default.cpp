#include "task/callback_wq.hpp"

void use(co_wq::executor& loop) {
#ifdef CO_WQ_WRONG
    co_wq::callback_wq strand;
#else
    co_wq::callback_wq strand(loop);
#endif
    strand.post([] {});
}
