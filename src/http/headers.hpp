// The fields of a message, in the order they came.
//
// For:        heads and trailers, on the hot path: one run of text, and 16 bytes per field that say where its name and
//             value are and, for the names this library acts on, which it is. That is found out once, at insert.
// Requires:   names and values without CR, LF and NUL (the parsers see to it; add() asserts it in debug builds).
// Guarantees: n fields cost O(n) to insert and to walk; lookup by field_id compares one byte per field. clear() keeps
//             memory, so a connection in steady state does not allocate.
// Threads:    one at a time.
// Lifetime:   views handed out hold until the list is next changed, and across a move of the list.
// Source:     RFC 9110 section 5 (names are case-insensitive; order within a name matters, between names it does not).
//
//   header_list fields;
//   fields.add("Content-Type", "text/plain");
//   for (field each : fields) out.append(each.name);
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "http/byte_buffer.hpp"

namespace co_wq::http {

// Fields this library looks at or forbids somewhere. headers.cpp has the names, in the same order.
// clang-format off
enum class field_id : std::uint8_t {
    other,
    accept, accept_encoding, age, authorization, cache_control, connection, content_encoding, content_length,
    content_range, content_type, cookie, date, expect, forwarded, host, http2_settings, keep_alive, location,
    max_forwards, proxy_authenticate, proxy_authentication_info, proxy_authorization, proxy_connection, range,
    referer, retry_after, sec_websocket_accept, sec_websocket_extensions, sec_websocket_key, sec_websocket_protocol,
    sec_websocket_version, server, set_cookie, te, trailer, transfer_encoding, upgrade, user_agent, via,
    www_authenticate, x_forwarded_for, x_forwarded_proto,
};
// clang-format on
inline constexpr std::size_t field_ids = static_cast<std::size_t>(field_id::x_forwarded_proto) + 1;
static_assert(field_ids <= 64, "sets of fields are one word");

// A set of known fields.
class field_set {
public:
    constexpr field_set() noexcept = default;
    template <class... Ids>
    constexpr explicit field_set(Ids... ids) noexcept : bits_((bit(ids) | ... | 0)) {}
    constexpr bool has(field_id id) const noexcept { return (bits_ & bit(id)) != 0; }
    constexpr void insert(field_id id) noexcept { bits_ |= bit(id); }

private:
    static constexpr std::uint64_t bit(field_id id) noexcept { return std::uint64_t{1} << static_cast<unsigned>(id); }
    std::uint64_t bits_ = 0;
};

// field_id::other for names not in the table. Requires a token.
field_id field_id_from(std::string_view name) noexcept;
// The usual spelling ("Content-Length"); "" for field_id::other.
std::string_view name_of(field_id id) noexcept;

struct field {
    std::string_view name;
    std::string_view value;
    field_id id = field_id::other;
};

class header_list {
    struct entry {
        std::uint32_t name_at;
        std::uint32_t value_at;
        std::uint32_t value_size;
        std::uint16_t name_size;
        field_id id;
    };
    static_assert(sizeof(entry) == 16);

public:
    class iterator {
    public:
        using value_type = field;
        using difference_type = std::ptrdiff_t;
        iterator() noexcept = default;
        field operator*() const noexcept { return list_->at(*entry_); }
        iterator& operator++() noexcept { return ++entry_, *this; }
        iterator operator++(int) noexcept { return {list_, entry_++}; }
        friend bool operator==(iterator left, iterator right) noexcept { return left.entry_ == right.entry_; }

    private:
        friend class header_list;
        iterator(const header_list* list, const entry* at) noexcept : list_(list), entry_(at) {}
        const header_list* list_ = nullptr;
        const entry* entry_ = nullptr;
    };

    // Part of text(): how a start line or an unparsed field is remembered while the text may still grow.
    struct slice {
        std::uint32_t at = 0;
        std::uint32_t size = 0;
    };

    std::size_t size() const noexcept { return entries_.size(); }
    bool empty() const noexcept { return entries_.empty(); }
    field operator[](std::size_t index) const noexcept { return at(entries_[index]); }
    iterator begin() const noexcept { return {this, entries_.data()}; }
    iterator end() const noexcept { return {this, entries_.data() + entries_.size()}; }

    // The first value with this name.
    std::optional<std::string_view> get(field_id id) const noexcept;
    std::optional<std::string_view> get(std::string_view name) const noexcept;
    std::size_t count(field_id id) const noexcept;
    std::size_t count(std::string_view name) const noexcept;
    // Whether a comma-separated list field, over all its lines, has this member (case ignored).
    bool has_member(field_id id, std::string_view member) const noexcept;

    void add(std::string_view name, std::string_view value);
    void add(field_id id, std::string_view value) { add(name_of(id), value); }
    // Removes all fields with this name and says how many there were; their text stays until clear().
    std::size_t remove(field_id id) noexcept;
    std::size_t remove(std::string_view name) noexcept;
    // Replaces all fields with this name by one at the end.
    void set(field_id id, std::string_view value) {
        remove(id);
        add(id, value);
    }

    void clear() noexcept {
        text_.clear();
        entries_.clear();
    }
    // Empties the list and gives back its memory if it grew beyond keep bytes of text.
    void reset(std::size_t keep = 0) noexcept;

    // For parsers: raw text is collected first, then fields are declared to be parts of it.
    std::size_t text_size() const noexcept { return text_.size(); }
    std::string_view text(slice part) const noexcept { return text_.text().substr(part.at, part.size); }
    slice append_text(std::string_view more);
    void add_from_text(slice name, slice value);

private:
    field at(const entry& e) const noexcept {
        const char* base = text_.text().data();
        return {{base + e.name_at, e.name_size}, {base + e.value_at, e.value_size}, e.id};
    }

    byte_buffer text_;
    std::vector<entry> entries_;
};

// "Name: value" and a line end.
inline void append_field(byte_buffer& out, std::string_view name, std::string_view value) {
    char* at = out.extend(name.size() + value.size() + 4);
    std::memcpy(at, name.data(), name.size());
    at += name.size();
    *at++ = ':';
    *at++ = ' ';
    if (!value.empty()) std::memcpy(at, value.data(), value.size());
    at += value.size();
    *at++ = '\r';
    *at = '\n';
}

}  // namespace co_wq::http
