#include "task/callback_wq.hpp"

void use(co_wq::completion token, co_wq::callback_wq strand) {
#ifdef CO_WQ_WRONG
    strand.post(token);
#else
    strand.post(std::move(token));
#endif
}
