#include "task/completion.hpp"

#ifdef CO_WQ_WRONG
co_wq::resume_hook hook;
#else
co_wq::resume_hook hook{std::noop_coroutine()};
#endif
