#include <system_error>

#include "io/backend/reactor_epoll.hpp"
#include "io/backend/reactor_sim.hpp"
#include "io/backend/reactor_uring.hpp"

namespace co_wq::io {

result<std::unique_ptr<reactor>> make_reactor(reactor_kind kind, op_slab& slots, std::string& why) {
    try {
        switch (kind) {
            case reactor_kind::automatic: {
                std::string refusal;
                if (auto made = reactor_uring::make(slots, refusal)) {
                    why = "uring: the measured choice";
                    return std::move(*made);
                }
                why = "epoll: " + refusal;
                return std::make_unique<reactor_epoll>(slots);
            }
            case reactor_kind::epoll: why = "epoll: asked for"; return std::make_unique<reactor_epoll>(slots);
            case reactor_kind::uring: {
                auto made = reactor_uring::make(slots, why);
                if (!made) return std::unexpected(made.error());
                return std::move(*made);
            }
            case reactor_kind::iocp: why = "iocp: this system is not Windows"; break;
            case reactor_kind::sim:
                why = "sim: asked for, seed 1";
                return std::make_unique<reactor_sim>(slots, sim_options{});
        }
    } catch (const std::system_error& failure) {
        why = failure.what();
        return fail(from_errno(failure.code().value()));
    }
    return fail(errc::not_supported);
}

}  // namespace co_wq::io
