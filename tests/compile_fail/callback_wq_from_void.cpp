#include "task/callback_wq.hpp"

// The incident: the address of one object, passed as another through void*.
void use(co_wq::executor& loop) {
#ifdef CO_WQ_WRONG
    void* context = &loop;
    co_wq::callback_wq strand(context);
#else
    co_wq::callback_wq strand(loop);
#endif
    strand.post([] {});
}
