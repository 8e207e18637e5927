#include "task/callback_wq.hpp"

// An executor is not a serial queue: where one is wanted the other is refused.
void takes(co_wq::callback_wq strand);
void use(co_wq::executor& loop) {
#ifdef CO_WQ_WRONG
    takes(loop);
#else
    takes(co_wq::callback_wq(loop));
#endif
}
