// Built by the compiler that did not build the library: does not link.
#include "task/sync_wait.hpp"

co_wq::task<int> answer() { co_return 42; }

int main() { return co_wq::sync_wait(answer()) == 42 ? 0 : 1; }
