#include "http/detail/grammar.hpp"

namespace co_wq::http::detail {

namespace {

constexpr std::array<std::uint8_t, 256> make_classes() {
    std::array<std::uint8_t, 256> classes{};
    const auto mark = [&classes](char first, char last, int with) {
        for (int c = first; c <= last; ++c)
            classes[static_cast<std::size_t>(c)] =
                static_cast<std::uint8_t>(classes[static_cast<std::size_t>(c)] | with);
    };
    mark('0', '9', token_char | digit_char | hex_char | host_char);
    mark('a', 'z', token_char | host_char);
    mark('A', 'Z', token_char | host_char);
    mark('a', 'f', hex_char);
    mark('A', 'F', hex_char);
    for (const char c : std::string_view("!#$%&'*+-.^_`|~")) mark(c, c, token_char);
    for (const char c : std::string_view("-._")) mark(c, c, host_char);
    return classes;
}

}  // namespace

constinit const std::array<std::uint8_t, 256> char_classes = make_classes();

bool all_are(char_class wanted, std::string_view text) noexcept {
    for (const char c : text)
        if (!is(wanted, c)) return false;
    return true;
}

bool is_token(std::string_view text) noexcept { return !text.empty() && all_are(token_char, text); }

bool equal_ignoring_case(std::string_view left, std::string_view right) noexcept {
    if (left.size() != right.size()) return false;
    for (std::size_t i = 0; i < left.size(); ++i)
        if (left[i] != right[i] && to_lower(left[i]) != to_lower(right[i])) return false;
    return true;
}

std::string_view trim(std::string_view text) noexcept {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

std::string_view next_member(std::string_view& list) noexcept {
    while (!list.empty()) {
        const std::size_t comma = list.find(',');
        const std::string_view member = trim(list.substr(0, comma));
        list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
        if (!member.empty()) return member;
    }
    return {};
}

}  // namespace co_wq::http::detail
