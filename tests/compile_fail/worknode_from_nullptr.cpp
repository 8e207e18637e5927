#include "task/worknode.hpp"

#ifdef CO_WQ_WRONG
co_wq::worknode node(nullptr);
#else
co_wq::worknode node([](co_wq::worknode&) noexcept {});
#endif
