#include "net/tls/connection.hpp"

#include <cstring>

#include "net/detail/pump_run.hpp"

namespace co_wq::net::tls {

namespace {

// A record's worth: joined, parts cost one record instead of three.
constexpr std::size_t joined_max = 16 * 1024;

}  // namespace

task<result<void>> connection::send_parts(const std::array<const_bytes, 3>& parts) const {
    if (!secured()) {
        const result<void> sent = co_await tcp_.send_all(parts);
        co_return sent;
    }
    const std::size_t size = parts[0].size() + parts[1].size() + parts[2].size();
    if (size <= joined_max) {
        io::lease joined = loop().reactor().buffers().take(size);
        std::byte* at = joined.block().data();
        for (const const_bytes each : parts) {
            if (!each.empty()) std::memcpy(at, each.data(), each.size());
            at += each.size();
        }
        joined.set_size(size);
        const result<void> sent = co_await tls_.send_all(joined.data());
        co_return sent;
    }
    for (const const_bytes each : parts) {
        if (each.empty()) continue;
        const result<void> sent = co_await tls_.send_all(each);
        if (!sent) co_return sent;
    }
    co_return result<void>();
}

task<pump_result> pump(connection& first, connection& second, pump_options options, pump_progress* progress) {
    if (!first.secured() && !second.secured()) return net::pump(first.tcp(), second.tcp(), options, progress);
    return net::detail::run_pump(first, second, options, progress);
}

}  // namespace co_wq::net::tls
