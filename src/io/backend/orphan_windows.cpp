#include "io/backend/handle_windows.hpp"
#include "io/orphan.hpp"

namespace co_wq::io {

// Windows keeps nothing of a child that has ended but what handles name.
void reap_orphans(std::unique_ptr<orphan> first, time_point) noexcept {
    for (; first; first = std::move(first->next)) ::CloseHandle(nt::handle_of(first->pidfd));
}

}  // namespace co_wq::io
