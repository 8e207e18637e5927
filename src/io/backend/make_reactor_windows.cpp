#include <system_error>

#include "base/os/errors.hpp"
#include "io/backend/reactor_iocp.hpp"
#include "io/backend/reactor_sim.hpp"

namespace co_wq::io {

result<std::unique_ptr<reactor>> make_reactor(reactor_kind kind, op_slab& slots, std::string& why) {
    try {
        switch (kind) {
            case reactor_kind::automatic: why = "iocp: the one that Windows has"; break;
            case reactor_kind::iocp: why = "iocp: asked for"; break;
            case reactor_kind::epoll:
            case reactor_kind::uring:
                why = std::string(name_of(kind)) + ": this system is Windows";
                return fail(errc::not_supported);
            case reactor_kind::sim:
                why = "sim: asked for, seed 1";
                return std::make_unique<reactor_sim>(slots, sim_options{});
        }
        return std::make_unique<reactor_iocp>(slots);
    } catch (const std::system_error& failure) {
        why = failure.what();
        return std::unexpected(os::error_of_system(static_cast<std::uint32_t>(failure.code().value())));
    }
}

}  // namespace co_wq::io
