#include "task/callback_wq.hpp"

void use(co_wq::completion token, co_wq::callback_wq strand) {
#ifdef CO_WQ_WRONG
    co_wq::completion second(token);
#else
    co_wq::completion second(std::move(token));
#endif
    strand.post(std::move(second));
}
