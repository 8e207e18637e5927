#include "task/promise.hpp"

#include <cstdio>
#include <memory>

namespace co_wq {

constinit thread_local promise_base* detail::running_frame = nullptr;

void detail::drop_exception(std::exception_ptr& kept) noexcept { std::destroy_at(&kept); }

void destroy_tree(promise_base& root) noexcept {
    promise_base* frame = &root;
    for (;;) {
        awaiter_base* waiting = frame->awaiting_;
        if (waiting && waiting->ops().take_child) {
            if (promise_base* child = waiting->ops().take_child(*waiting)) {
                child->after_ = reinterpret_cast<std::uintptr_t>(frame);  // the way back up
                frame = child;
                continue;
            }
        }
        promise_base* const up = frame == &root ? nullptr : frame->waiting_frame();
        frame->self().destroy();
        if (!up) return;
        frame = up;
    }
}

const promise_base* detail::innermost_running() noexcept {
    const promise_base* frame = running_frame;
    while (frame && frame->awaiting() && frame->awaiting()->ops().passes_control)
        frame = frame->awaiting()->ops().child_at(*frame->awaiting(), 0);
    return frame;
}

std::size_t write_await_chain(const promise_base* innermost, char* out, std::size_t room) noexcept {
    std::size_t used = 0;
    const promise_base* frame = innermost;
    for (int depth = 0; frame && depth < 64 && used + 1 < room; ++depth) {
        char what[96] = "running";
        if (const awaiter_base* waiting = frame->awaiting()) {
            if (waiting->ops().describe) {
                waiting->ops().describe(*waiting, what, sizeof what);
            } else {
                std::snprintf(what, sizeof what, "%s", waiting->ops().what);
            }
        }
        const auto where = frame->where();
        const int wrote = std::snprintf(out + used, room - used, "    %s:%u in %s, %s\n", where.file_name(),
                                        unsigned(where.line()), where.function_name(), what);
        if (wrote < 0) break;
        used += static_cast<std::size_t>(wrote);
        frame = frame->parent();
    }
    return used < room ? used : room - 1;
}

namespace {
const bool chain_writer_installed = [] {
    detail::set_chain_writer(
        [](char* out, std::size_t room) noexcept { return write_await_chain(detail::innermost_running(), out, room); });
    return true;
}();
}  // namespace

}  // namespace co_wq
