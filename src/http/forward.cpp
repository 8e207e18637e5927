#include "http/forward.hpp"

#include <algorithm>

#include "http/detail/grammar.hpp"

namespace co_wq::http {

using detail::equal_ignoring_case;
using detail::next_member;

namespace {

// clang-format off
constexpr field_set never_forwarded{
    field_id::connection,          field_id::proxy_connection,   field_id::keep_alive,
    field_id::te,                  field_id::transfer_encoding,  field_id::upgrade,
    field_id::http2_settings,      field_id::proxy_authenticate, field_id::proxy_authentication_info,
    field_id::proxy_authorization};
// clang-format on
// What Connection may name without effect.
constexpr field_set not_nameable{field_id::content_length, field_id::host, field_id::via, field_id::max_forwards,
                                 field_id::cache_control};
constexpr std::uint32_t max_forwards_max = 1'000'000;  // no path is that long; keeps the sum in range

}  // namespace

hop_filter::hop_filter(const header_list& headers) noexcept : headers_(headers), dropped_(never_forwarded) {
    for (const field each : headers) {
        if (each.id != field_id::connection) continue;
        std::string_view rest = each.value;
        for (auto option = next_member(rest); !option.empty(); option = next_member(rest)) note(option);
    }
}

void hop_filter::note(std::string_view option) noexcept {
    const field_id id = field_id_from(option);
    if (id == field_id::other) {
        if (equal_ignoring_case(option, "close")) return;
        if (named_ < remembered_max) remembered_[named_] = option;
        ++named_;
    } else if (!not_nameable.has(id)) {
        dropped_.insert(id);
    }
}

bool hop_filter::names(std::string_view name) const noexcept {
    if (named_ > remembered_max) return headers_.has_member(field_id::connection, name);
    return std::any_of(remembered_.begin(), remembered_.begin() + named_,
                       [name](std::string_view option) { return equal_ignoring_case(option, name); });
}

header_list forwardable(const header_list& headers) {
    const hop_filter filter(headers);
    header_list kept;
    for (const field each : headers)
        if (!filter.drops(each)) kept.add(each.name, each.value);
    return kept;
}

forward_budget budget_of(method which, const header_list& headers) noexcept {
    using verdict = forward_budget::verdict;
    if (which != method::trace && which != method::options) return {};
    const std::size_t count = headers.count(field_id::max_forwards);
    if (count == 0) return {};
    const std::string_view text = *headers.get(field_id::max_forwards);
    if (count > 1 || text.empty() || !detail::all_are(detail::digit_char, text)) return {verdict::invalid, 0};
    std::uint32_t value = 0;
    for (const char c : text) value = std::min(value * 10 + static_cast<std::uint32_t>(c - '0'), max_forwards_max);
    if (value == 0) return {verdict::answer, 0};
    return {verdict::forward, value - 1};
}

bool came_through(const header_list& headers, std::string_view pseudonym) noexcept {
    for (const field each : headers) {
        if (each.id != field_id::via) continue;
        std::string_view rest = each.value;
        for (auto hop = next_member(rest); !hop.empty(); hop = next_member(rest)) {
            const std::size_t space = hop.find_first_of(" \t");  // received-protocol RWS received-by [ RWS comment ]
            if (space == std::string_view::npos) continue;
            const std::string_view by = detail::trim(hop.substr(space));
            if (equal_ignoring_case(by.substr(0, by.find_first_of(" \t")), pseudonym)) return true;
        }
    }
    return false;
}

}  // namespace co_wq::http
