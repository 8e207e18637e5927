#include "net/dns/detail/message.hpp"

#include <algorithm>

namespace co_wq::net::dns::detail {
namespace {

constexpr std::size_t name_bytes_max = 255, label_bytes_max = 63, jumps_max = 127;
constexpr std::uint16_t class_internet = 1;

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Reads forward; once something is missing, all that follows is 0 and ok() false.
class cursor {
public:
    cursor(std::string_view data, std::size_t at) noexcept : data_(data), at_(at) {}

    bool ok() const noexcept { return ok_; }
    std::size_t at() const noexcept { return at_; }
    std::uint32_t number(std::size_t bytes) noexcept {
        std::uint32_t value = 0;
        for (const char c : take(bytes)) value = value << 8 | static_cast<unsigned char>(c);
        return value;
    }
    std::uint16_t number16() noexcept { return static_cast<std::uint16_t>(number(2)); }
    std::string_view take(std::size_t bytes) noexcept {
        ok_ = ok_ && at_ <= data_.size() && bytes <= data_.size() - at_;
        if (!ok_) return {};
        at_ += bytes;
        return data_.substr(at_ - bytes, bytes);
    }
    void name(std::string& wire) { ok_ = ok_ && read_name(data_, at_, wire); }

private:
    std::string_view data_;
    std::size_t at_;
    bool ok_ = true;
};

std::chrono::seconds ttl_of(std::uint32_t value) noexcept {
    return std::chrono::seconds(value > 0x7fffffffu ? 0 : value);  // RFC 2181 section 8
}

struct raw_record {
    std::string owner;  // wire bytes, lower case
    std::uint16_t type = 0;
    std::uint16_t kind = 0;  // its class
    std::chrono::seconds ttl{};
    std::size_t data_at = 0;
    std::size_t data_bytes = 0;

    bool internet(std::uint16_t wanted) const noexcept { return kind == class_internet && type == wanted; }
    std::string_view data(std::string_view packet) const noexcept { return packet.substr(data_at, data_bytes); }
};

bool read_record(cursor& from, raw_record& out) {
    from.name(out.owner);
    std::transform(out.owner.begin(), out.owner.end(), out.owner.begin(), lower);
    out.type = from.number16();
    out.kind = from.number16();
    out.ttl = ttl_of(from.number(4));
    out.data_bytes = from.number16();
    out.data_at = from.at();
    (void)from.take(out.data_bytes);
    return from.ok();
}

// How many bytes come before, and how many names are in, the data of a type whose names may be compressed.
struct data_shape {
    std::size_t before = 0, names = 0, behind = 0;
};

data_shape shape_of(std::uint16_t type) noexcept {
    switch (static_cast<record_type>(type)) {
        case record_type::ns:
        case record_type::cname:
        case record_type::ptr: return {0, 1, 0};
        case record_type::soa: return {0, 2, 20};
        case record_type::mx: return {2, 1, 0};
        case record_type::srv: return {6, 1, 0};
        default: return {};
    }
}

// The data with whole names. False: it is not what its type says.
bool read_data(std::string_view packet, const raw_record& one, std::string& out) {
    const std::string_view data = one.data(packet);
    if (one.type == static_cast<std::uint16_t>(record_type::a) && data.size() != 4) return false;
    if (one.type == static_cast<std::uint16_t>(record_type::aaaa) && data.size() != 16) return false;
    const data_shape shape = shape_of(one.type);
    if (shape.names == 0) {
        out = data;
        return true;
    }
    // nothing that comes behind the record belongs to it
    cursor from(packet.substr(0, one.data_at + one.data_bytes), one.data_at);
    out = from.take(shape.before);
    std::string wire;
    for (std::size_t i = 0; i < shape.names; ++i) {
        from.name(wire);
        out += wire;
    }
    out += from.take(shape.behind);
    return from.ok() && from.at() == one.data_at + one.data_bytes;
}

// Walks over the answer section once for the aliases, and once for the records behind them.
class answer_reader {
public:
    answer_reader(std::string_view packet, std::size_t begin, std::size_t count, std::uint16_t type,
                  const read_limits& limits)
        : packet_(packet), begin_(begin), count_(count), type_(type), limits_(limits) {}

    // False: malformed. owner: what was asked for, as wire bytes in lower case.
    bool read(std::string owner, found& out) {
        bool well = true;
        well = each([&](const raw_record& one) { return note_alias(one); });
        if (!well || !follow(owner, out)) return false;
        std::size_t bytes = 0;
        return each([&](const raw_record& one) {
            if (one.owner != owner || !(one.internet(type_) || any(one))) return true;
            return take(one, bytes, out);
        });
    }
    std::size_t end() const noexcept { return end_; }

private:
    struct alias {
        std::string from, to;
        std::chrono::seconds ttl{};
    };
    static constexpr auto any_type = static_cast<std::uint16_t>(record_type::any);
    static constexpr auto cname_type = static_cast<std::uint16_t>(record_type::cname);

    bool any(const raw_record& one) const noexcept { return type_ == any_type && one.kind == class_internet; }

    template <class Visit>
    bool each(Visit visit) {
        cursor from(packet_, begin_);
        raw_record one;
        for (std::size_t i = 0; i < count_; ++i)
            if (!read_record(from, one) || !visit(one)) return false;
        end_ = from.at();
        return true;
    }

    bool note_alias(const raw_record& one) {
        if (!one.internet(cname_type) || type_ == cname_type || type_ == any_type) return true;
        alias made{one.owner, {}, one.ttl};
        if (!read_data(packet_, one, made.to)) return false;
        std::transform(made.to.begin(), made.to.end(), made.to.begin(), lower);
        const auto same = [&](const alias& known) { return known.from == made.from; };
        if (std::any_of(aliases_.begin(), aliases_.end(), same)) return true;  // the first counts
        aliases_.push_back(std::move(made));
        return aliases_.size() <= alias_max;
    }

    // Makes owner the name at the end of the chain. False: it has no end.
    bool follow(std::string& owner, found& out) const {
        out.ttl = std::chrono::seconds::max();
        for (std::size_t steps = 0;; ++steps) {
            const auto next =
                std::find_if(aliases_.begin(), aliases_.end(), [&](const alias& one) { return one.from == owner; });
            if (next == aliases_.end()) break;
            if (steps == alias_max) return false;
            out.aliases.push_back(text_of_name(owner));
            out.ttl = std::min(out.ttl, next->ttl);
            owner = next->to;
        }
        if (!out.aliases.empty()) out.canonical = text_of_name(owner);
        return true;
    }

    bool take(const raw_record& one, std::size_t& bytes, found& out) {
        std::string data;
        if (!read_data(packet_, one, data)) return false;
        out.ttl = std::min(out.ttl, one.ttl);
        if (type_ == static_cast<std::uint16_t>(record_type::a) ||
            type_ == static_cast<std::uint16_t>(record_type::aaaa))
            return take_address(data, out);
        bytes += data.size();
        if (out.records.size() >= limits_.records_max || bytes > limits_.data_bytes_max) return true;
        record made{text_of_name(one.owner), static_cast<record_type>(one.type), one.ttl, std::move(data)};
        if (std::find(out.records.begin(), out.records.end(), made) == out.records.end())
            out.records.push_back(std::move(made));
        return true;
    }

    bool take_address(std::string_view data, found& out) const {
        if (out.addresses.size() >= limits_.records_max) return true;
        std::array<std::uint8_t, 16> octets{};
        std::copy(data.begin(), data.end(), octets.begin());
        const io::socket_address made = data.size() == 16
                                            ? io::socket_address::ipv6(octets, 0)
                                            : io::socket_address::ipv4({octets[0], octets[1], octets[2], octets[3]}, 0);
        if (std::find(out.addresses.begin(), out.addresses.end(), made) == out.addresses.end())
            out.addresses.push_back(made);
        return true;
    }

    std::string_view packet_;
    std::size_t begin_, count_, end_ = 0;
    std::uint16_t type_;
    const read_limits& limits_;
    std::vector<alias> aliases_;
};

// The least of the SOA record's TTL and its last field (RFC 2308 section 5).
void read_authority(std::string_view packet, std::size_t at, std::size_t count, bool knows, message& out) {
    cursor from(packet, at);
    raw_record one;
    bool hints = false;
    for (std::size_t i = 0; i < count && read_record(from, one); ++i) {
        if (one.internet(static_cast<std::uint16_t>(record_type::ns))) hints = true;
        std::string data;
        if (!one.internet(static_cast<std::uint16_t>(record_type::soa)) || !read_data(packet, one, data)) continue;
        const std::chrono::seconds minimum = ttl_of(cursor(data, data.size() - 4).number(4));
        out.negative_ttl = std::min(minimum, one.ttl);
        return;
    }
    // a server that neither has the zone nor asks others (RFC 1034 section 4.3.2)
    out.referral = hints && !knows && out.code == response_code::no_error;
}

bool same_name(std::string_view wire, std::string_view text) {
    if (text == ".") text = {};
    std::size_t at = 0;
    for (std::size_t label = 0; label < wire.size();) {
        const auto length = static_cast<std::size_t>(static_cast<unsigned char>(wire[label]));
        if (length == 0) break;
        if (at != 0 && (at >= text.size() || text[at++] != '.')) return false;
        for (std::size_t i = 1; i <= length; ++i)
            if (at >= text.size() || lower(wire[label + i]) != lower(text[at++])) return false;
        label += length + 1;
    }
    return at == text.size();
}

}  // namespace

bool read_name(std::string_view data, std::size_t& at, std::string& wire) {
    wire.clear();
    std::size_t place = at, bound = at;  // compression must point before `bound`
    std::size_t jumps = 0;
    for (;;) {
        if (place >= data.size()) return false;
        const auto length = static_cast<std::size_t>(static_cast<unsigned char>(data[place]));
        if (length > label_bytes_max) {
            if ((length & 0xc0) != 0xc0 || data.size() - place < 2) return false;
            const std::size_t target = (length & 0x3f) << 8 | static_cast<unsigned char>(data[place + 1]);
            if (target >= bound || jumps == jumps_max) return false;
            if (jumps++ == 0) at = place + 2;
            place = bound = target;
            continue;
        }
        if (data.size() - place < length + 1 || wire.size() + length + 1 > name_bytes_max) return false;
        wire.append(data.substr(place, length + 1));
        place += length + 1;
        if (length != 0) continue;
        if (jumps == 0) at = place;
        return true;
    }
}

std::string text_of_name(std::string_view wire) {
    std::string text;
    for (std::size_t at = 0; at < wire.size() && wire[at] != 0;) {
        const auto length = static_cast<std::size_t>(static_cast<unsigned char>(wire[at]));
        if (!text.empty()) text += '.';
        for (const char c : wire.substr(at + 1, length)) {
            const auto value = static_cast<unsigned char>(c);
            if (c == '.' || c == '\\') {
                text += '\\';
                text += c;
            } else if (value > 0x20 && value < 0x7f) {
                text += lower(c);
            } else {
                const char digits[] = {'\\', static_cast<char>('0' + value / 100),
                                       static_cast<char>('0' + value / 10 % 10), static_cast<char>('0' + value % 10)};
                text.append(digits, sizeof digits);
            }
        }
        at += length + 1;
    }
    return text.empty() ? "." : text;
}

result<message> read_message(std::string_view packet, std::string_view name, record_type type,
                             const read_limits& limits) {
    cursor from(packet, 2);
    const std::uint16_t flags = from.number16(), questions = from.number16(), answers = from.number16(),
                        authorities = from.number16();
    from.number16();
    const bool is_answer = (flags & 0x8000) != 0, is_query = (flags & 0x7800) == 0;
    if (!from.ok() || !is_answer || !is_query || questions != 1) return fail(errc::bad_message);
    std::string asked;
    from.name(asked);
    const std::uint16_t asked_type = from.number16(), asked_class = from.number16();
    const auto wanted = static_cast<std::uint16_t>(type);
    if (!from.ok() || asked_type != wanted || asked_class != class_internet || !same_name(asked, name))
        return fail(errc::bad_message);
    std::transform(asked.begin(), asked.end(), asked.begin(), lower);

    message out;
    out.code = static_cast<response_code>(flags & 15);
    answer_reader reader(packet, from.at(), answers, wanted, limits);
    if (!reader.read(std::move(asked), out.content)) return fail(errc::bad_message);
    const bool empty = out.content.alias_only();
    if (out.content.ttl == std::chrono::seconds::max()) out.content.ttl = {};
    const bool knows = (flags & 0x0480) != 0;  // it has the zone, or asks others
    if (empty) read_authority(packet, reader.end(), authorities, knows || answers > 0, out);
    if (out.negative_ttl && !out.content.aliases.empty())
        out.negative_ttl = std::min(*out.negative_ttl, out.content.ttl);
    return out;
}

}  // namespace co_wq::net::dns::detail
