#include "http/headers.hpp"

#include <array>
#include <cstring>
#include <limits>

#include "http/detail/grammar.hpp"

namespace co_wq::http {

namespace {

// clang-format off
constexpr std::array<std::string_view, field_ids> names{
    "",
    "Accept", "Accept-Encoding", "Age", "Authorization", "Cache-Control", "Connection", "Content-Encoding",
    "Content-Length", "Content-Range", "Content-Type", "Cookie", "Date", "Expect", "Forwarded", "Host",
    "HTTP2-Settings", "Keep-Alive", "Location", "Max-Forwards", "Proxy-Authenticate", "Proxy-Authentication-Info",
    "Proxy-Authorization", "Proxy-Connection", "Range", "Referer", "Retry-After", "Sec-WebSocket-Accept",
    "Sec-WebSocket-Extensions", "Sec-WebSocket-Key", "Sec-WebSocket-Protocol", "Sec-WebSocket-Version", "Server",
    "Set-Cookie", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "User-Agent", "Via", "WWW-Authenticate",
    "X-Forwarded-For", "X-Forwarded-Proto",
};
// clang-format on
static_assert(names.back() == "X-Forwarded-Proto");

// Sets the bit that tells lower from upper case in every byte that has the one of letters. Names of known fields
// consist of letters, digits and "-" only, and what folds to one of these is one of these.
std::uint64_t fold(std::uint64_t word) noexcept { return word | (word & 0x4040404040404040u) >> 1; }

template <class Word>
bool same_word(const char* left, const char* right) noexcept {
    Word words[2];
    std::memcpy(&words[0], left, sizeof(Word));
    std::memcpy(&words[1], right, sizeof(Word));
    return fold(words[0]) == fold(words[1]);
}

// Whether name, of the same length, is known in another case. The last words overlap the ones before.
bool same_name(std::string_view known, const char* name) noexcept {
    const char* expected = known.data();
    const std::size_t size = known.size();
    if (size >= 8) {
        for (std::size_t at = 0; at + 8 < size; at += 8)
            if (!same_word<std::uint64_t>(expected + at, name + at)) return false;
        return same_word<std::uint64_t>(expected + size - 8, name + size - 8);
    }
    if (size >= 4)
        return same_word<std::uint32_t>(expected, name) &&
               same_word<std::uint32_t>(expected + size - 4, name + size - 4);
    return same_word<std::uint16_t>(expected, name) && same_word<std::uint16_t>(expected + size - 2, name + size - 2);
}

constexpr bool words_suffice() {
    for (std::size_t id = 1; id < field_ids; ++id) {
        if (names[id].size() < 2) return false;
        for (const char c : names[id])
            if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-')) return false;
    }
    return true;
}
static_assert(words_suffice(), "same_name compares two bytes and more, of these characters");

constexpr std::size_t longest_name() {
    std::size_t longest = 0;
    for (const std::string_view name : names) longest = name.size() > longest ? name.size() : longest;
    return longest;
}

// Ids ordered by the length of their names: a name is compared with the few of its own length only.
struct length_index {
    std::array<field_id, field_ids> ids{};
    std::array<std::uint8_t, longest_name() + 2> first{};  // first[n] .. first[n + 1]: names of n characters
};

constexpr length_index make_index() {
    length_index index;
    std::uint8_t next = 0;
    for (std::size_t length = 0; length <= longest_name(); ++length) {
        index.first[length] = next;
        for (std::size_t id = 0; id < field_ids; ++id)
            if (names[id].size() == length) index.ids[next++] = static_cast<field_id>(id);
    }
    index.first[longest_name() + 1] = next;
    return index;
}
constexpr length_index by_length = make_index();

}  // namespace

field_id field_id_from(std::string_view name) noexcept {
    if (name.empty() || name.size() > longest_name()) return field_id::other;
    for (std::size_t i = by_length.first[name.size()]; i < by_length.first[name.size() + 1]; ++i) {
        const std::string_view known = names[static_cast<std::size_t>(by_length.ids[i])];
        if (same_name(known, name.data())) return by_length.ids[i];
    }
    return field_id::other;
}

std::string_view name_of(field_id id) noexcept { return names[static_cast<std::size_t>(id)]; }

std::optional<std::string_view> header_list::get(field_id id) const noexcept {
    CO_WQ_DEBUG_ASSERT(id != field_id::other, "unknown fields are looked up by name");
    for (const entry& e : entries_)
        if (e.id == id) return at(e).value;
    return {};
}

std::optional<std::string_view> header_list::get(std::string_view name) const noexcept {
    if (const field_id id = field_id_from(name); id != field_id::other) return get(id);
    for (const entry& e : entries_)
        if (e.id == field_id::other && detail::equal_ignoring_case(at(e).name, name)) return at(e).value;
    return {};
}

std::size_t header_list::count(field_id id) const noexcept {
    CO_WQ_DEBUG_ASSERT(id != field_id::other, "unknown fields are counted by name");
    std::size_t found = 0;
    for (const entry& e : entries_) found += e.id == id;
    return found;
}

std::size_t header_list::count(std::string_view name) const noexcept {
    if (const field_id id = field_id_from(name); id != field_id::other) return count(id);
    std::size_t found = 0;
    for (const entry& e : entries_) found += e.id == field_id::other && detail::equal_ignoring_case(at(e).name, name);
    return found;
}

bool header_list::has_member(field_id id, std::string_view member) const noexcept {
    for (const entry& e : entries_) {
        if (e.id != id) continue;
        std::string_view rest = at(e).value;
        for (auto next = detail::next_member(rest); !next.empty(); next = detail::next_member(rest))
            if (detail::equal_ignoring_case(next, member)) return true;
    }
    return false;
}

void header_list::add(std::string_view name, std::string_view value) {
    CO_WQ_DEBUG_ASSERT(detail::is_token(name), "a field name is a token");
    CO_WQ_DEBUG_ASSERT(detail::is_field_text(value), "a field value has no control characters");
    const slice name_at = append_text(name);
    const slice value_at = append_text(value);
    add_from_text(name_at, value_at);
}

std::size_t header_list::remove(field_id id) noexcept {
    CO_WQ_DEBUG_ASSERT(id != field_id::other, "unknown fields are removed by name");
    return std::erase_if(entries_, [id](const entry& e) { return e.id == id; });
}

std::size_t header_list::remove(std::string_view name) noexcept {
    if (const field_id id = field_id_from(name); id != field_id::other) return remove(id);
    const auto same = [this, name](const entry& e) {
        return e.id == field_id::other && detail::equal_ignoring_case(at(e).name, name);
    };
    return std::erase_if(entries_, same);
}

void header_list::reset(std::size_t keep) noexcept {
    entries_.clear();
    if (text_.capacity() > keep) entries_ = {};
    text_.reset(keep);
}

header_list::slice header_list::append_text(std::string_view more) {
    CO_WQ_REQUIRE(more.size() <= std::numeric_limits<std::uint32_t>::max() - text_.size(),
                  "a header_list holds less than 4 GiB of text");
    const slice part{static_cast<std::uint32_t>(text_.size()), static_cast<std::uint32_t>(more.size())};
    text_.append(more);
    return part;
}

void header_list::add_from_text(slice name, slice value) {
    CO_WQ_REQUIRE(name.size <= std::numeric_limits<std::uint16_t>::max(), "a field name is shorter than 64 KiB");
    CO_WQ_DEBUG_ASSERT(name.at + std::size_t{name.size} <= text_.size(), "the name is part of the text");
    CO_WQ_DEBUG_ASSERT(value.at + std::size_t{value.size} <= text_.size(), "the value is part of the text");
    if (entries_.capacity() == 0) entries_.reserve(16);  // most messages need no second allocation
    entries_.push_back(
        {name.at, value.at, value.size, static_cast<std::uint16_t>(name.size), field_id_from(text(name))});
}

}  // namespace co_wq::http
