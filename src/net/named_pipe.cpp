#include "net/named_pipe.hpp"

#include "net/detail/pump_run.hpp"

namespace co_wq::net {
namespace {

// Between attempts: no event tells of an instance that is free again.
constexpr duration pause_min = std::chrono::milliseconds(1), pause_max = std::chrono::milliseconds(50);

}  // namespace

task<result<named_pipe_stream>> named_pipe_stream::connect(io::event_loop& loop, std::string name) {
    for (duration pause = pause_min;; pause = std::min(pause * 2, pause_max)) {
        const result<io::native_handle> opened = loop.reactor().open_named_pipe(name);
        if (opened) co_return named_pipe_stream(io::socket(loop, *opened, kind));
        if (opened.error() != errc::busy) co_return std::unexpected(opened.error());
        const result<void> slept = co_await sleep_for(pause);
        if (!slept) co_return std::unexpected(slept.error());
    }
}

result<named_pipe_listener> named_pipe_listener::bind(io::event_loop& loop, std::string name,
                                                      named_pipe_options options) {
    io::pipe_listening how{std::move(name), std::move(options.access), options.backlog};
    const result<io::descriptor*> made = loop.reactor().listen_on_pipe(how);
    if (!made) return std::unexpected(made.error());
    return named_pipe_listener(io::socket(io::descriptor_ref{&loop, *made}));
}

task<pump_result> pump(named_pipe_stream& first, named_pipe_stream& second, pump_options options,
                       pump_progress* progress) {
    return detail::run_pump(first, second, options, progress);
}

task<pump_result> pump(named_pipe_stream& first, tcp_stream& second, pump_options options, pump_progress* progress) {
    return detail::run_pump(first, second, options, progress);
}

}  // namespace co_wq::net
