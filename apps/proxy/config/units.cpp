#include "proxy/config/units.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>
#include <vector>

namespace co_wq::proxy::config {
namespace {

struct unit {
    std::string_view name;
    std::uint64_t factor;
};

constexpr unit times[] = {{"ms", 1}, {"s", 1000}, {"min", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
constexpr unit sizes[] = {{"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};

std::optional<std::uint64_t> parse_number(std::string_view text) noexcept {
    std::uint64_t value = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::optional<std::uint64_t> with_unit(std::string_view text, std::span<const unit> units) noexcept {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const std::optional<std::uint64_t> value = parse_number(text.substr(0, digits));
    std::string_view name = text.substr(digits);
    if (name.starts_with(' ')) name.remove_prefix(1);
    for (const unit& each : units) {
        if (!value || each.name != name) continue;
        if (*value > std::numeric_limits<std::int64_t>::max() / each.factor) return std::nullopt;
        return *value * each.factor;
    }
    return std::nullopt;
}

}  // namespace

std::expected<duration, std::string> parse_time(std::string_view text) {
    constexpr std::uint64_t longest_ms = std::uint64_t{7} * 24 * 3600 * 1000;
    const std::optional<std::uint64_t> read = with_unit(text, times);
    if (!read) return std::unexpected("a time is a whole number with its unit (ms, s, min, h, d): write \"10s\"");
    if (*read == 0 || *read > longest_ms) return std::unexpected("a time is from 1 ms to 7 d: write \"10s\"");
    return std::chrono::milliseconds(*read);
}

std::expected<std::uint64_t, std::string> parse_size(std::string_view text) {
    const std::optional<std::uint64_t> read = with_unit(text, sizes);
    if (!read) return std::unexpected("a size is a whole number with its unit (B, KiB, MiB, GiB): write \"16 MiB\"");
    return *read;
}

std::expected<policy::port_range, std::string> parse_ports(std::string_view text) {
    const std::size_t dash = text.find('-');
    const std::optional<std::uint64_t> first = parse_number(text.substr(0, dash));
    const std::optional<std::uint64_t> last = dash == text.npos ? first : parse_number(text.substr(dash + 1));
    if (!first || !last) return std::unexpected("not a port: write 443, or \"8000-8999\" for a range");
    if (*first < 1 || *last < 1 || *first > 65535 || *last > 65535)
        return std::unexpected("a port is a number from 1 to 65535");
    if (*first > *last) return std::unexpected("a range of ports begins with the lower one: write \"8000-8999\"");
    return policy::port_range{static_cast<std::uint16_t>(*first), static_cast<std::uint16_t>(*last)};
}

std::string wrong_with_name_server(std::string_view text) {
    const std::string wrong = "not a name server: write \"192.0.2.1\", \"192.0.2.1:53\" or \"[2001:db8::1]:53\"";
    std::string_view address = text, port;
    if (text.starts_with('[')) {
        const std::size_t end = text.find(']');
        if (end == text.npos) return wrong;
        address = text.substr(1, end - 1);
        port = text.substr(end + 1);
        if (address.find(':') == address.npos) return wrong;
    } else if (text.find(':') == text.rfind(':') && text.find(':') != text.npos) {
        address = text.substr(0, text.find(':'));
        port = text.substr(address.size());
    }
    if (!port.empty() && (port.front() != ':' || port.find('-') != port.npos || !parse_ports(port.substr(1))))
        return wrong;
    return policy::ip_address::parse(address) ? std::string() : wrong;
}

namespace {

// Letters put in, left out, or written wrongly.
std::size_t distance(std::string_view left, std::string_view right) {
    std::vector<std::size_t> row(right.size() + 1);
    for (std::size_t at = 0; at < row.size(); ++at) row[at] = at;
    for (std::size_t i = 1; i <= left.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i);
        for (std::size_t j = 1; j <= right.size(); ++j) {
            const std::size_t same = diagonal + (left[i - 1] != right[j - 1]);
            diagonal = row[j];
            row[j] = std::min({same, row[j] + 1, row[j - 1] + 1});
        }
    }
    return row.back();
}

}  // namespace

std::optional<std::string_view> nearest(std::string_view word, std::span<const std::string_view> known) {
    std::optional<std::string_view> found;
    std::size_t least = std::max<std::size_t>(2, word.size() / 2) + 1;
    if (word.size() > 64) return found;
    for (const std::string_view each : known) {
        const std::size_t apart = distance(word, each);
        if (apart >= least || apart >= each.size()) continue;
        least = apart;
        found = each;
    }
    return found;
}

}  // namespace co_wq::proxy::config
