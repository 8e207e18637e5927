#include "net/dns/detail/hosts_file.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "io/interface_index.hpp"
#include "net/dns/host_name.hpp"

namespace co_wq::net::dns::detail {
namespace {

constexpr std::string_view blanks = " \t\r\v\f";
constexpr std::size_t line_bytes_max = 64 * 1024;

std::string_view next_word(std::string_view& rest) noexcept {
    rest.remove_prefix(std::min(rest.find_first_not_of(blanks), rest.size()));
    const std::string_view word = rest.substr(0, rest.find_first_of(blanks));
    rest.remove_prefix(word.size());
    return word;
}

// A number, or the name of an interface (RFC 4007 section 11).
result<std::uint32_t> scope_of(std::string_view zone) {
    std::uint32_t number = 0;
    const auto read = std::from_chars(zone.data(), zone.data() + zone.size(), number);
    if (read.ec == std::errc() && read.ptr == zone.data() + zone.size() && number != 0) return number;
    return io::interface_index(zone);
}

result<io::socket_address> parse_address(std::string_view word) {
    const std::size_t percent = word.find('%');
    result<io::socket_address> bare = io::socket_address::parse(word.substr(0, percent), 0);
    if (!bare || percent == word.npos) return bare;
    if (bare->family() != io::address_family::ipv6) return fail(errc::invalid_argument);
    const result<std::uint32_t> scope = scope_of(word.substr(percent + 1));
    if (!scope) return std::unexpected(scope.error());
    return io::socket_address::ipv6(bare->octets(), 0, *scope);
}

// 4 or 16 octets, and the scope behind them where there is one.
std::string key_of(const io::socket_address& address) {
    const std::size_t length = address.family() == io::address_family::ipv6 ? 16 : 4;
    std::string key(address.octets().begin(), address.octets().begin() + static_cast<int>(length));
    if (address.scope() != 0) key += std::to_string(address.scope());
    return key;
}

answer_ptr made_of(const address_list& list) {
    if (list.empty()) return make_answer(errc::name_no_data);
    return make_answer(found{.addresses = list});
}

}  // namespace

void hosts_table::add_line(std::string_view line) {
    line = line.substr(0, line.find('#'));
    const std::string_view first = next_word(line);
    if (first.empty()) return;
    const result<io::socket_address> address = parse_address(first);
    if (!address) return;
    std::vector<std::string>* known_as = nullptr;
    for (std::string_view word = next_word(line); !word.empty(); word = next_word(line)) {
        std::string name(word);
        if (!normalize_host_name(name)) continue;
        if (!known_as) known_as = &addresses_[key_of(*address)];
        std::string whole = name.ends_with('.') ? name.substr(0, name.size() - 1) : name;
        if (known_as->size() < names_per_address_max &&
            std::find(known_as->begin(), known_as->end(), whole) == known_as->end())
            known_as->push_back(whole);
        entry& known = names_[std::move(whole)];
        (address->family() == io::address_family::ipv6 ? known.ipv6 : known.ipv4).push_back(*address);
    }
}

answer_ptr hosts_table::find(std::string_view name, io::address_family family) const {
    if (names_.empty()) return nullptr;
    if (name.ends_with('.')) name.remove_suffix(1);
    const auto at = names_.find(name);
    if (at == names_.end()) return nullptr;
    const entry& known = at->second;
    const bool ipv6 = family == io::address_family::ipv6;
    answer_ptr& made = ipv6 ? known.ipv6_answer : known.ipv4_answer;
    if (!made) made = made_of(ipv6 ? known.ipv6 : known.ipv4);
    return made;
}

const std::vector<std::string>* hosts_table::names_of(const io::socket_address& address) const {
    if (addresses_.empty()) return nullptr;
    const auto at = addresses_.find(key_of(address));
    return at == addresses_.end() ? nullptr : &at->second;
}

bool hosts_table::shrink() noexcept {
    for (int i = 0; i < 1000 && !names_.empty(); ++i) names_.erase(names_.begin());
    for (int i = 0; i < 1000 && !addresses_.empty(); ++i) addresses_.erase(addresses_.begin());
    return !names_.empty() || !addresses_.empty();
}

answer_ptr hosts_file::find(std::string_view name, io::address_family family, time_point now) {
    look(now);
    return table_.find(name, family);
}

const std::vector<std::string>* hosts_file::names_of(const io::socket_address& address, time_point now) {
    look(now);
    return table_.names_of(address);
}

void hosts_file::look(time_point now) {
    if (loading_) return;
    switch (watch_.look(now)) {
        case file_watch::state::same: return;
        case file_watch::state::gone:
            if (std::exchange(ever_loaded_, false)) table_ = {};
            return;
        case file_watch::state::changed: break;
    }
    begin();
    do read_slice();
    while (!ever_loaded_ && reading_);
    if (!reading_) (void)load_more();
    ever_loaded_ = true;
}

void hosts_file::begin() {
    file_.close();
    file_.clear();
    file_.open(watch_.path(), std::ios::binary);
    next_ = {};
    line_.clear();
    read_bytes_ = 0;
    loading_ = reading_ = true;
}

void hosts_file::read_slice() {
    std::array<char, slice_bytes> slice;
    file_.read(slice.data(), slice.size());
    const auto got = static_cast<std::size_t>(file_.gcount());
    read_bytes_ += got;
    std::string_view rest(slice.data(), got);
    for (std::size_t end = rest.find('\n'); end != rest.npos; end = rest.find('\n')) {
        line_ += rest.substr(0, end);
        next_.add_line(line_);
        line_.clear();
        rest.remove_prefix(end + 1);
    }
    if (line_.size() < line_bytes_max) line_ += rest;
    if (got == slice.size() && read_bytes_ < file_bytes_max) return;
    if (read_bytes_ < file_bytes_max) next_.add_line(line_);
    reading_ = false;
    file_.close();
    std::swap(table_, next_);  // next_ is now what is to be dropped
}

bool hosts_file::load_more() {
    if (reading_) {
        read_slice();
    } else if (loading_) {
        loading_ = next_.shrink();
    }
    return loading_;
}

}  // namespace co_wq::net::dns::detail
