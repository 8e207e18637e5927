#include "task/callback_wq.hpp"

void use(co_wq::detail::serial_state* state, co_wq::executor& loop) {
#ifdef CO_WQ_WRONG
    co_wq::callback_wq strand(state);
#else
    static_cast<void>(state);
    co_wq::callback_wq strand(loop);
#endif
    strand.post([] {});
}
