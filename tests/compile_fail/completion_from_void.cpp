#include "task/callback_wq.hpp"

void use(void* context, co_wq::op_slot& slot, co_wq::callback_wq strand) {
#ifdef CO_WQ_WRONG
    co_wq::completion token(context);
#else
    static_cast<void>(context);
    co_wq::completion token = co_wq::completion::of(slot);
#endif
    strand.post(std::move(token));
}
