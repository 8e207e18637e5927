#include "task/completion.hpp"

void use(co_wq::resume_hook hook) {
#ifdef CO_WQ_WRONG
    co_wq::resume_hook second(hook);
#else
    co_wq::resume_hook second(std::move(hook));
#endif
    std::move(second).fire();
}
