#include "task/callback_wq.hpp"

void use(co_wq::callback_wq strand) {
#ifdef CO_WQ_WRONG
    strand.post(nullptr);
#else
    strand.post([] {});
#endif
}
