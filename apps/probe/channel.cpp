#include "probe/channel.hpp"

namespace co_wq::probe {

task<result<std::size_t>> channel::fill() {
    input.reset();
    if (secure.is_open()) {
        result<io::lease> got = co_await secure.recv_lease(block_bytes);
        if (!got) co_return fail(got.error());
        input = std::move(*got);
    } else {
        result<io::lease> got = co_await plain.recv_lease(block_bytes);
        if (!got) co_return fail(got.error());
        input = std::move(*got);
    }
    co_return input.size();
}

task<result<void>> channel::send(const_bytes data) {
    if (secure.is_open()) {
        const result<void> sent = co_await secure.send_all(data);
        co_return sent;
    }
    const result<void> sent = co_await plain.send_all(data);
    co_return sent;
}

void channel::close() noexcept {
    input.reset();
    secure.close();
    plain.close();
}

void channel::reset() noexcept {
    input.reset();
    if (secure.is_open()) secure.reset();
    if (plain.is_open()) plain.reset();
}

}  // namespace co_wq::probe
