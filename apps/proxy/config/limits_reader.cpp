#include "proxy/config/limits_reader.hpp"

#include <fmt/format.h>

namespace co_wq::proxy::config {
namespace {

// A text that parse makes a value of.
template <class Value, class Parsed>
void read_parsed(table_reader& from, std::string_view key, Value& out,
                 std::expected<Parsed, std::string> (*parse)(std::string_view)) {
    if (!from.find(key)) return;
    const std::size_t before = from.file().wrong.size();
    std::string given;
    from.text(key, given);
    if (from.file().wrong.size() != before) return;
    const auto read = parse(given);
    if (!read) return from.complain(key, fmt::format("\"{}\": {}", given, read.error()));
    out = *read;
}

}  // namespace

void read_limits(table_reader& from, limits& out) {
    const auto store = [](auto& in) { return [&in](std::uint64_t given) { in = static_cast<std::uint32_t>(given); }; };
    from.number("connections", 0, UINT32_MAX, store(out.connections_max));
    from.number("connections_per_client", 0, UINT32_MAX, store(out.connections_per_client));
    from.number("connections_per_user", 0, UINT32_MAX, store(out.connections_per_user));
    read_parsed(from, "requests_per_second_per_client", out.requests_per_client, &parse_rate);
    read_parsed(from, "requests_per_second_per_user", out.requests_per_user, &parse_rate);
    read_parsed(from, "bytes_per_second_per_connection", out.bytes_per_connection, &parse_byte_rate);
    read_parsed(from, "bytes_per_second_per_client", out.bytes_per_client, &parse_byte_rate);
    read_parsed(from, "bytes_per_second_per_user", out.bytes_per_user, &parse_byte_rate);
    read_parsed(from, "memory", out.memory_bytes_max, &parse_memory);
    from.size("body", out.body_bytes_max);
    from.number("header_bytes", header_bytes_least, header_bytes_most, store(out.header_bytes_max));
    from.number("header_fields", 1, header_fields_most, store(out.header_fields_max));
    from.number("uri_bytes", uri_bytes_least, uri_bytes_most, store(out.uri_bytes_max));
    from.time("header_timeout", out.header_timeout);
    from.time("keep_alive_timeout", out.keep_alive_timeout);
    from.time("connect_timeout", out.connect_timeout);
    from.time("idle_timeout", out.idle_timeout);
    from.time("response_timeout", out.response_timeout);
    from.time_or_none("request_timeout", out.request_timeout);
    from.time_or_none("tunnel_timeout", out.tunnel_timeout);
    from.time("drain_timeout", out.drain_timeout);
    from.time("drain_idle_timeout", out.drain_idle_timeout);
    from.time("pool_idle_timeout", out.pool_idle_timeout);
    from.number("pool_per_host", 0, 1'000'000, store(out.pool_per_host_max));
    from.number("pool", 1, 1'000'000, store(out.pool_max));
}

}  // namespace co_wq::proxy::config
