// Where terminals have no form yet (Windows).
#include "probe/live_line.hpp"

namespace co_wq::probe {

result<std::unique_ptr<live_line>> live_line::open(io::event_loop&) { return fail(errc::not_supported); }

}  // namespace co_wq::probe
