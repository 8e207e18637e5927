// Where no process can take over another one's sockets (Windows: io/process.hpp has no form there). Nothing asks for
// it: the signal that does never comes.
#include "proxy/handover.hpp"

namespace co_wq::proxy {

task<result<int>> hand_over(io::event_loop&, const program&, const std::vector<io::native_handle>&, duration) {
    co_return fail(errc::not_supported);
}

void report_taken_over(int) noexcept {}

}  // namespace co_wq::proxy
