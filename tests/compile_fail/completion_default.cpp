#include "task/callback_wq.hpp"

void use(co_wq::callback_operation& operation, co_wq::callback_wq strand) {
#ifdef CO_WQ_WRONG
    co_wq::completion token;
#else
    co_wq::completion token = operation.arm();
#endif
    strand.post(std::move(token));
}
