#include <CLI/CLI.hpp>
#include <charconv>

#include "proxy/config/units.hpp"
#include "proxy/limits/limits.hpp"

namespace co_wq::proxy {
namespace {

std::optional<std::uint64_t> parse_plain(std::string_view text) noexcept {
    std::uint64_t value = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::expected<std::uint64_t, std::string> parse_bytes(std::string_view text) {
    if (text == "none") return 0;
    if (const auto plain = parse_plain(text)) return *plain;
    const auto read = config::parse_size(text);
    if (!read) return std::unexpected("bytes, or a whole number with its unit (B, KiB, MiB, GiB), or none: 16MiB");
    return *read;
}

// Milliseconds on the command line, a duration inside. least: 0 where that means no limit.
void add_milliseconds(CLI::App& app, const char* name, duration& value, const char* help, std::int64_t least = 1) {
    app.add_option_function<std::int64_t>(
           name, [&value](const std::int64_t& given) { value = std::chrono::milliseconds(given); }, help)
        ->check(CLI::Range(least, std::int64_t{7} * 24 * 3600 * 1000))
        ->type_name("MS")
        ->default_str(std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(value).count()));
}

// A word that parse makes a value of, or says what is wrong with it.
template <class Value, class Parsed>
void add_parsed(CLI::App& app, const char* name, Value& value,
                std::expected<Parsed, std::string> (*parse)(std::string_view), const char* type, const char* help) {
    app.add_option_function<std::string>(
           name,
           [&value, parse](const std::string& given) {
               if (const auto read = parse(given)) value = *read;
           },
           help)
        ->check([parse](const std::string& given) {
            const auto read = parse(given);
            return read ? std::string() : read.error();
        })
        ->type_name(type);
}

void add_count(CLI::App& app, const char* name, std::uint32_t& value, std::uint32_t least, std::uint32_t most,
               const char* help) {
    app.add_option(name, value, help)->check(CLI::Range(least, most))->capture_default_str();
}

void define_connections(CLI::App& app, limits& out) {
    app.add_option("--max-connections", out.connections_max, "connections of clients; 0: as descriptors allow")
        ->check(CLI::NonNegativeNumber)
        ->capture_default_str();
    app.add_option("--max-connections-per-client", out.connections_per_client,
                   "connections of one address, IPv6 by /64; 0: no limit; else half of all, none for this machine")
        ->check(CLI::Range(0u, UINT32_MAX));
    add_count(app, "--max-connections-per-user", out.connections_per_user, 0, UINT32_MAX,
              "requests and tunnels of one user at a time; 0: no limit");
    add_parsed(app, "--requests-per-second-per-client", out.requests_per_client, &parse_rate, "N[:BURST]",
               "requests and tunnels of one address, IPv6 by /64");
    add_parsed(app, "--requests-per-second-per-user", out.requests_per_user, &parse_rate, "N[:BURST]",
               "requests and tunnels of one user");
    add_parsed(app, "--bytes-per-second-per-connection", out.bytes_per_connection, &parse_byte_rate, "SIZE",
               "of bodies and tunnels, in each direction");
    add_parsed(app, "--bytes-per-second-per-client", out.bytes_per_client, &parse_byte_rate, "SIZE",
               "the same for all connections of one address together");
    add_parsed(app, "--bytes-per-second-per-user", out.bytes_per_user, &parse_byte_rate, "SIZE",
               "the same for all requests and tunnels of one user together");
    add_parsed(app, "--max-memory", out.memory_bytes_max, &parse_memory, "SIZE",
               "answer 503 above it until it is less again; none; else 85 % of what the system allows");
}

void define_times(CLI::App& app, limits& out) {
    add_milliseconds(app, "--header-timeout-ms", out.header_timeout, "for the whole head of a request");
    add_milliseconds(app, "--keep-alive-timeout-ms", out.keep_alive_timeout, "between requests of a client");
    add_milliseconds(app, "--connect-timeout-ms", out.connect_timeout, "for name look-up and connection");
    add_milliseconds(app, "--response-timeout-ms", out.response_timeout, "until the origin's answer begins");
    add_milliseconds(app, "--idle-timeout-ms", out.idle_timeout, "without a byte, in bodies and tunnels");
    add_milliseconds(app, "--request-timeout-ms", out.request_timeout,
                     "from a request's head to the end of its answer; 0: no limit", 0);
    add_milliseconds(app, "--tunnel-timeout-ms", out.tunnel_timeout, "for a tunnel's whole life; 0: no limit", 0);
    add_milliseconds(app, "--drain-idle-timeout-ms", out.drain_idle_timeout,
                     "after SIGTERM, for kept connections without a request");
    add_milliseconds(app, "--drain-timeout-ms", out.drain_timeout, "for what is under way after SIGTERM");
    add_milliseconds(app, "--pool-idle-timeout-ms", out.pool_idle_timeout, "for an unused connection to an origin");
}

}  // namespace

std::expected<rate, std::string> parse_rate(std::string_view text) {
    if (text == "none") return rate{};
    const std::size_t colon = text.find(':');
    const auto per_second = parse_plain(text.substr(0, colon));
    const auto burst = colon == text.npos ? per_second : parse_plain(text.substr(colon + 1));
    if (!per_second || !burst) return std::unexpected("a rate is N or N:BURST, whole numbers, or none: 20:100");
    if (*per_second < 1 || *burst < 1 || *per_second > rate::most || *burst > rate::most)
        return std::unexpected("a rate and its burst are from 1 to 1000000: 20:100");
    return rate{static_cast<std::uint32_t>(*per_second), static_cast<std::uint32_t>(*burst)};
}

std::expected<std::uint64_t, std::string> parse_byte_rate(std::string_view text) {
    const auto read = parse_bytes(text);
    if (read && *read != 0 && (*read < bytes_per_second_least || *read > bytes_per_second_most))
        return std::unexpected("bytes a second are from 1 KiB to 16 GiB, or none: 10MiB");
    return read;
}

std::expected<std::uint64_t, std::string> parse_memory(std::string_view text) {
    const auto read = parse_bytes(text);
    if (read && text != "none" && *read < memory_bytes_least)
        return std::unexpected("a memory limit is at least 16 MiB, or none: 512MiB");
    return read;
}

void define_limits(CLI::App& app, limits& out) {
    define_connections(app, out);
    app.add_option("--max-body-bytes", out.body_bytes_max, "largest request body; 0: no limit")
        ->check(CLI::NonNegativeNumber)
        ->capture_default_str();
    add_count(app, "--max-header-bytes", out.header_bytes_max, header_bytes_least, header_bytes_most,
              "largest head of a request");
    add_count(app, "--max-header-fields", out.header_fields_max, 1, header_fields_most,
              "most fields of a request's head and trailer");
    add_count(app, "--max-uri-bytes", out.uri_bytes_max, uri_bytes_least, uri_bytes_most,
              "longest address of a request");
    add_count(app, "--max-pool", out.pool_max, 1, 1'000'000, "unused connections to origins, of each loop");
    add_count(app, "--max-pool-per-host", out.pool_per_host_max, 0, 1'000'000,
              "unused connections to one origin, of each loop");
    define_times(app, out);
}

}  // namespace co_wq::proxy
