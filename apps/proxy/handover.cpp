#include "proxy/handover.hpp"

#include "base/log.hpp"
#include "base/os/service.hpp"
#include "io/pipe.hpp"
#include "io/process.hpp"
#include "sync/deadline.hpp"

namespace co_wq::proxy {
namespace {

constexpr int first_handle = 3;

io::command describe(const program& what, const std::vector<io::native_handle>& listeners, io::native_handle ready) {
    io::command made(what.path, what.arguments);
    made.environment = os::handover_environment(listeners.size());
    int number = first_handle;
    for (const io::native_handle each : listeners) made.files.emplace_back(number++, each);
    made.files.emplace_back(number, ready);
    return made;
}

task<result<std::size_t>> read_word(const io::pipe_reader& from) {
    std::byte word[1];
    const result<std::size_t> got = co_await from.recv(word);
    co_return got;
}

}  // namespace

task<result<int>> hand_over(io::event_loop& loop, const program& what, const std::vector<io::native_handle>& listeners,
                            duration limit) {
    result<io::pipe> ready = io::pipe::open(loop);
    if (!ready) co_return std::unexpected(ready.error());
    result<io::process> child = io::process::spawn(loop, describe(what, listeners, ready->writer.handle()));
    if (!child) co_return std::unexpected(child.error());
    ready->writer.close();  // the child's end is the last: it ends with the child
    const result<std::size_t> said = co_await with_timeout(limit, read_word(ready->reader));
    if (!said) co_return std::unexpected(said.error());
    if (*said == 1) {
        const int number = child->id();
        child->detach();
        co_return number;
    }
    const result<io::exit_status> end = co_await with_timeout(limit, child->wait());
    log::error("the new process ended before it served: {}", end ? end->text() : end.error().message());
    co_return fail(errc::unexpected_eof);
}

void report_taken_over(int ready) noexcept { os::write_byte_and_close(ready); }

}  // namespace co_wq::proxy
