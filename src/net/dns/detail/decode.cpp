#include "net/dns/detail/decode.hpp"

#include <algorithm>
#include <numeric>

#include "net/dns/detail/message.hpp"
#include "net/dns/host_name.hpp"

namespace co_wq::net::dns::detail {
namespace {

std::uint16_t number_at(std::string_view data, std::size_t at) noexcept {
    return static_cast<std::uint16_t>(static_cast<unsigned char>(data[at]) << 8 |
                                      static_cast<unsigned char>(data[at + 1]));
}

// The host name from `at` to the end; "." for the root; empty: it is none.
std::string target_of(std::string_view data, std::size_t at) {
    std::string wire;
    if (!read_name(data, at, wire) || at != data.size()) return {};
    std::string name = text_of_name(wire);
    if (name != "." && !normalize_host_name(name)) return {};
    return name;
}

template <class T>
result<std::vector<T>> unless_empty(std::vector<T> list) {
    if (list.empty()) return fail(errc::name_server_failed);
    return list;
}

// One target that is the root says that there is no service; beside others it says nothing.
template <class T>
result<std::vector<T>> without_root(std::vector<T> list, std::string T::* target) {
    const bool nothing = list.size() == 1 && list.front().*target == ".";
    if (nothing) return fail(errc::name_no_service);
    std::erase_if(list, [target](const T& one) { return one.*target == "."; });
    return unless_empty(std::move(list));
}

template <class T, class Less>
void sort_with_equals_at_random(std::vector<T>& list, seeded_random& random, Less less) {
    std::vector<std::pair<std::uint64_t, T>> keyed;
    for (T& one : list) keyed.emplace_back(random.next(), std::move(one));
    std::sort(keyed.begin(), keyed.end(), [&](const auto& left, const auto& right) {
        if (less(left.second, right.second) || less(right.second, left.second)) return less(left.second, right.second);
        return left.first < right.first;
    });
    for (std::size_t i = 0; i < list.size(); ++i) list[i] = std::move(keyed[i].second);
}

bool is_mapped(const io::socket_address& address) noexcept {
    if (address.family() != io::address_family::ipv6) return false;
    const auto& octets = address.octets();
    return std::all_of(octets.begin(), octets.begin() + 10, [](std::uint8_t one) { return one == 0; }) &&
           octets[10] == 0xff && octets[11] == 0xff;
}

}  // namespace

result<std::vector<service>> services_of(std::span<const record> records, seeded_random& random) {
    std::vector<service> list;
    for (const record& one : records) {
        if (one.type != record_type::srv || one.data.size() < 7) continue;
        service made{
            number_at(one.data, 0), number_at(one.data, 2), number_at(one.data, 4), target_of(one.data, 6), {}};
        if (!made.target.empty()) list.push_back(std::move(made));
    }
    result<std::vector<service>> offered = without_root(std::move(list), &service::target);
    if (offered) put_in_order(*offered, random);
    return offered;
}

// RFC 2782: among those of one priority that are left, a number up to the sum of their weights chooses the first whose
// running sum reaches it; those of weight 0 stand in front, so that they have a small chance.
void put_in_order(std::vector<service>& list, seeded_random& random) {
    sort_with_equals_at_random(list, random, [](const service& left, const service& right) {
        if (left.priority != right.priority) return left.priority < right.priority;
        return left.weight == 0 && right.weight != 0;
    });
    for (auto first = list.begin(); first != list.end();) {
        const auto last =
            std::find_if(first, list.end(), [&](const service& one) { return one.priority != first->priority; });
        for (; first != last; ++first) {
            const auto sum =
                std::accumulate(first, last, std::uint64_t{0},
                                [](std::uint64_t so_far, const service& one) { return so_far + one.weight; });
            const std::uint64_t reach = random.below(sum + 1);
            std::uint64_t running = 0;
            const auto chosen =
                std::find_if(first, last, [&](const service& one) { return (running += one.weight) >= reach; });
            std::rotate(first, chosen, chosen + 1);  // the others keep their order
        }
    }
}

result<std::vector<mail_exchanger>> exchangers_of(std::span<const record> records, seeded_random& random) {
    std::vector<mail_exchanger> list;
    for (const record& one : records) {
        if (one.type != record_type::mx || one.data.size() < 3) continue;
        mail_exchanger made{number_at(one.data, 0), target_of(one.data, 2)};
        if (!made.host.empty()) list.push_back(std::move(made));
    }
    sort_with_equals_at_random(list, random, [](const mail_exchanger& left, const mail_exchanger& right) {
        return left.preference < right.preference;
    });
    return without_root(std::move(list), &mail_exchanger::host);
}

result<std::vector<text_record>> texts_of(std::span<const record> records) {
    std::vector<text_record> list;
    for (const record& one : records) {
        if (one.type != record_type::txt) continue;
        text_record made;
        std::string_view rest = one.data;
        while (!rest.empty()) {
            const auto length = static_cast<std::size_t>(static_cast<unsigned char>(rest.front()));
            if (length >= rest.size()) break;
            made.parts.emplace_back(rest.substr(1, length));
            rest.remove_prefix(length + 1);
        }
        if (rest.empty() && !made.parts.empty()) list.push_back(std::move(made));
    }
    return unless_empty(std::move(list));
}

result<std::vector<std::string>> pointers_of(std::span<const record> records) {
    std::vector<std::string> list;
    for (const record& one : records) {
        if (one.type != record_type::ptr) continue;
        std::string name = target_of(one.data, 0);
        if (!name.empty() && name != "." && std::find(list.begin(), list.end(), name) == list.end())
            list.push_back(std::move(name));
    }
    return unless_empty(std::move(list));
}

io::socket_address without_mapping(const io::socket_address& address) {
    io::socket_address made = address;
    if (is_mapped(address)) {
        const auto& octets = address.octets();
        made = io::socket_address::ipv4({octets[12], octets[13], octets[14], octets[15]}, 0);
    }
    made.set_port(0);
    return made;
}

std::string name_of_address(const io::socket_address& given) {
    const io::socket_address address = without_mapping(given);
    const auto& octets = address.octets();
    std::string name;
    if (address.family() == io::address_family::ipv4) {
        for (std::size_t i = 4; i-- > 0;) name += std::to_string(octets[i]) + ".";
        return name + "in-addr.arpa";
    }
    constexpr std::string_view digits = "0123456789abcdef";
    for (std::size_t i = 16; i-- > 0;) {
        for (const int digit : {octets[i] & 15, octets[i] >> 4}) {
            name += digits[static_cast<std::size_t>(digit)];
            name += '.';
        }
    }
    return name + "ip6.arpa";
}

}  // namespace co_wq::net::dns::detail
