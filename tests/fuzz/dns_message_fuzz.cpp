// A name server's answer as bytes, of any type, without a network: whatever comes, what is read of it is from the
// packet, of the name and type that were asked for, within the limits, and in text that harms nobody. Input: a byte
// that chooses the type, one for flags; then an answer behind its question, or a whole packet.
#include <algorithm>

#include "fuzzing.hpp"
#include "net/dns/detail/decode.hpp"
#include "net/dns/detail/message.hpp"
#include "net/dns/host_name.hpp"

namespace {

using namespace co_wq;
using namespace co_wq::net::dns;

constexpr std::string_view asked_name = "_svc._tcp.host.example";
constexpr std::string_view asked_wire("\4_svc\4_tcp\4host\7example\0", 24);
constexpr record_type types[] = {record_type::a,  record_type::aaaa, record_type::srv, record_type::ptr,
                                 record_type::mx, record_type::txt,  record_type::soa, record_type::cname,
                                 record_type::ns, record_type::any,  record_type::caa, record_type::https};

std::string packet_of(record_type type, bool whole, std::string_view rest) {
    if (whole) return std::string(rest);
    std::string made = "id";
    std::string header(rest.substr(0, 8));
    header.resize(8);
    made += static_cast<char>(header[0] | 0x80);
    made += header[1];
    made += std::string("\0\1", 2) + header.substr(2, 6);
    made += asked_wire;
    made += static_cast<char>(static_cast<unsigned>(type) >> 8);
    made += static_cast<char>(type);
    made += std::string("\0\1", 2);
    made += rest.substr(std::min<std::size_t>(8, rest.size()));
    return made;
}

bool harmless(std::string_view name) {
    return !name.empty() && name.size() <= 4 * 255 &&
           std::all_of(name.begin(), name.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::input from(data, size);
    const record_type type = types[from.choice() % std::size(types)];
    const bool whole = (from.choice() & 1) != 0;
    const std::string packet = packet_of(type, whole, from.rest());
    const std::vector<char> exact(packet.begin(), packet.end());  // so that a byte too far is seen
    const detail::read_limits limits{.records_max = 8, .data_bytes_max = 600};
    const auto got = detail::read_message({exact.data(), exact.size()}, asked_name, type, limits);
    if (!got) return 0;
    const auto seen = [&] { return fuzz::shown(packet); };
    const detail::found& content = got->content;
    fuzz::demand(content.addresses.size() <= 8 && content.records.size() <= 8, "not too many", seen);
    fuzz::demand(content.aliases.size() <= detail::alias_max, "a short chain", seen);
    fuzz::demand(content.ttl.count() >= 0 && content.ttl.count() <= 0x7fffffff, "a TTL has 31 bits", seen);
    fuzz::demand(content.aliases.empty() == content.canonical.empty(), "a canonical name is behind aliases", seen);
    fuzz::demand(!got->negative_ttl || (content.alias_only() && got->negative_ttl->count() >= 0),
                 "only what is empty is a refusal", seen);
    for (const std::string& one : content.aliases) fuzz::demand(harmless(one), "aliases are harmless text", seen);
    const bool wants_address = type == record_type::a || type == record_type::aaaa;
    fuzz::demand(wants_address ? content.records.empty() : content.addresses.empty(), "only what was asked for", seen);
    for (const io::socket_address& one : content.addresses) {
        const bool ipv6 = one.family() == io::address_family::ipv6;
        fuzz::demand(ipv6 == (type == record_type::aaaa), "only the family that was asked for", seen);
        const std::string_view octets(reinterpret_cast<const char*>(one.octets().data()), ipv6 ? 16 : 4);
        fuzz::demand(packet.contains(octets), "addresses are from the packet", seen);
    }
    std::size_t bytes = 0;
    for (const record& one : content.records) {
        bytes += one.data.size();
        fuzz::demand(type == record_type::any || one.type == type, "records are of the type", seen);
        fuzz::demand(harmless(one.name), "names are harmless text", seen);
    }
    fuzz::demand(bytes <= 600, "the data is bounded", seen);
    seeded_random random(1);
    if (const auto list = detail::services_of(content.records, random); list)
        for (service one : *list)
            fuzz::demand(normalize_host_name(one.target).has_value(), "targets are host names", seen);
    if (const auto list = detail::pointers_of(content.records); list)
        for (std::string one : *list) fuzz::demand(normalize_host_name(one).has_value(), "names are host names", seen);
    (void)detail::texts_of(content.records);
    (void)detail::exchangers_of(content.records, random);
    return 0;
}
