#include "http/detail/grammar.hpp"

#include <cstring>

namespace co_wq::http::detail {

namespace {

// Heads are scanned eight bytes at a time: lines are too short for vector code to pay.
constexpr std::uint64_t each(std::uint8_t byte) noexcept { return 0x0101010101010101u * byte; }

std::uint64_t load(const char* at) noexcept {
    std::uint64_t word;
    std::memcpy(&word, at, sizeof word);
    return word;
}

// Not 0 if a byte of the word is below 0x20 or is 0x7f. (A byte below the limit borrows; a borrow may mark a byte above
// a marked one wrongly, but never marks a word that has none, and never misses one.)
std::uint64_t controls(std::uint64_t word) noexcept {
    const std::uint64_t low = (word - each(0x20)) & ~word;
    const std::uint64_t del = word ^ each(0x7f);
    return (low | ((del - each(1)) & ~del)) & each(0x80);
}

bool is_control(char c) noexcept { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

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
    unsigned common = wanted;
    for (const char c : text) common &= char_classes[static_cast<unsigned char>(c)];  // no branch per character
    return common == wanted;
}

bool is_token(std::string_view text) noexcept { return !text.empty() && all_are(token_char, text); }

bool is_field_text(std::string_view text) noexcept {
    const auto only_tabs = [](std::string_view part) {
        for (const char c : part)
            if (is_control(c) && c != '\t') return false;
        return true;
    };
    std::size_t at = 0;
    for (; at + 8 <= text.size(); at += 8)
        if (controls(load(text.data() + at)) != 0 && !only_tabs(text.substr(at, 8))) return false;
    if (at == text.size()) return true;
    if (text.size() < 8) return only_tabs(text);
    const std::string_view last = text.substr(text.size() - 8);  // overlaps what was seen
    return controls(load(last.data())) == 0 || only_tabs(last);
}

bool is_visible_ascii(std::string_view text) noexcept {
    unsigned char bad = 0;  // as wide as a character, so that 16 of them fit one vector: targets are long
    for (const char c : text) {
        const auto above = static_cast<unsigned char>(c - 0x21);
        bad = static_cast<unsigned char>(bad | (above > 0x7e - 0x21));
    }
    return bad == 0;
}

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
