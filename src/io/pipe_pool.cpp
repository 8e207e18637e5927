#include "io/pipe_pool.hpp"

namespace co_wq::io {

result<pipe_pair> pipe_pool::take(socket_calls& calls) noexcept {
    if (!kept_.empty()) {
        const pipe_pair pipe = kept_.back();
        kept_.pop_back();
        return pipe;
    }
    if (open_ >= open_max) return fail(errc::no_buffers);
    result<pipe_pair> made = calls.open_pipe(capacity_bytes);
    if (made) ++open_;
    return made;
}

void pipe_pool::give_back(socket_calls& calls, pipe_pair pipe) noexcept {
    if (pipe.held == 0 && kept_.size() < kept_max) return kept_.push_back(pipe);
    calls.close_pipe(pipe);
    --open_;
}

void pipe_pool::clear(socket_calls& calls) noexcept {
    for (pipe_pair& pipe : kept_) {
        calls.close_pipe(pipe);
        --open_;
    }
    kept_.clear();
}

}  // namespace co_wq::io
