// Authorities and request targets: what is accepted is written and read again to the same, is in its normal spelling,
// and other readers (the reference, the resolver, the system's own address parser) see the same host.
// Input: a byte that chooses, then the text.
#include <arpa/inet.h>

#include "fuzzing.hpp"
#include "http/target.hpp"
#include "io/socket_address.hpp"
#include "net/dns/host_name.hpp"
#include "reference_h1_head.hpp"

namespace {

using namespace co_wq;

std::string written(const http::authority& where, std::optional<std::uint16_t> default_port) {
    http::byte_buffer out;
    append_authority(out, where, default_port);
    return std::string(out.text());
}

std::string shown(std::string_view text, const http::authority& where) {
    return fuzz::shown(text) + " was read as host " + fuzz::shown(where.host) + ", port " + std::to_string(where.port);
}

// inet_pton is strict too: four decimal parts without leading zeros, no zones.
int system_family(const std::string& host) {
    if (host.contains('\0')) return 0;
    in6_addr into;
    if (inet_pton(AF_INET, host.c_str(), &into) == 1) return AF_INET;
    return inet_pton(AF_INET6, host.c_str(), &into) == 1 ? AF_INET6 : 0;
}

void expect_a_normal_host(std::string_view text, const http::authority& where) {
    const auto seen = [&] { return shown(text, where); };
    fuzz::demand(where.port != 0, "a port is 1 to 65535", seen);
    fuzz::demand(!where.host.empty() && where.host.find_first_of("[]@/ %") == std::string::npos, "a bare host", seen);
    fuzz::demand(where.host == reference_h1::detail::lower(where.host), "lower case", seen);
    const int family = system_family(where.host);
    switch (where.kind) {
        case http::host_kind::ipv4:
            fuzz::demand(family == AF_INET, "the system reads the same IPv4 address", seen);
            break;
        case http::host_kind::ipv6:
            fuzz::demand(family == AF_INET6, "the system reads the same IPv6 address", seen);
            break;
        case http::host_kind::name: {
            in_addr old_style;
            fuzz::demand(family == 0 && inet_aton(where.host.c_str(), &old_style) == 0, "a name is no address", seen);
            std::string name = where.host;
            fuzz::demand(net::dns::normalize_host_name(name).has_value(), "the resolver takes every name", seen);
            fuzz::demand(name == where.host, "to the resolver it is in normal form", seen);
            break;
        }
    }
    if (family != 0) {
        const result<io::socket_address> address = io::socket_address::parse(where.host, where.port);
        fuzz::demand(address.has_value(), "an address is one to the io room too", seen);
    }
}

void expect_the_same_again(std::string_view text, const http::authority& where, std::optional<std::uint16_t> port) {
    const std::string out = written(where, port);
    http::authority again;
    const auto seen = [&] { return shown(text, where) + "\nwritten: " + out + "\n" + shown(out, again); };
    fuzz::demand(parse_authority(out, port, again).has_value(), "what is written is accepted", seen);
    fuzz::demand(again == where, "it is read again to the same", seen);
    fuzz::demand(written(again, port) == out, "the normal spelling is its own normal spelling", seen);
    fuzz::demand(reference_h1::detail::normal_authority(text) == written(where, {}) ||
                     (port && port != http::http_port),  // the reference knows 80 as the default only
                 "the reference reads the same host and port", seen);
}

void authorities(std::uint8_t choice, std::string_view text) {
    const std::optional<std::uint16_t> ports[] = {{}, http::http_port, std::uint16_t{443}};
    const std::optional<std::uint16_t> port = ports[choice % 3];
    http::authority where;
    if (const http::checked ok = parse_authority(text, port, where); !ok) {
        fuzz::demand(!ok.error().reason.empty() && ok.error().status == 400, "a refusal says why", fuzz::shown(text));
        const std::string host(text.substr(0, text.find(':')));
        fuzz::demand(!port || system_family(host) != AF_INET || text.find(':') != std::string_view::npos,
                     "an IPv4 address is not refused", fuzz::shown(text));
        return;
    }
    expect_a_normal_host(text, where);
    expect_the_same_again(text, where, port);
}

// Inside "[" and "]" ours and the system agree on what is an IPv6 address.
void literals(std::string_view text) {
    if (text.find_first_of(std::string_view("]@\0", 3)) != std::string_view::npos) return;
    const std::string address(text);
    http::authority where;
    const bool ours = parse_authority("[" + address + "]:80", {}, where).has_value();
    fuzz::demand(ours == (system_family(address) == AF_INET6), "one IPv6 grammar", fuzz::shown(text));
}

void targets(http::method which, std::string_view text) {
    http::request_target target;
    if (!parse_target(which, text, target)) return;
    const auto seen = [&] { return std::string(name_of(which)) + " " + shown(text, target.where); };
    fuzz::demand(target.path_at <= text.size(), "the path is in the text", seen);
    if (target.has_authority()) {
        expect_a_normal_host(text, target.where);
    } else {
        fuzz::demand(target.where.host.empty() && target.where.port == 0, "no authority, no host", seen);
    }
    if (target.form == http::target_form::authority) {
        fuzz::demand(which == http::method::connect, "only CONNECT has it", seen);
        return expect_the_same_again(text, target.where, {});
    }
    http::byte_buffer path;
    append_origin_form(path, which, text, target);
    fuzz::demand(path.text() == "*" || path.text().starts_with('/'), "an origin form is a path", seen);
    fuzz::demand(path.text() != "*" || which == http::method::options, "* is for OPTIONS", seen);
    fuzz::demand(path.text().ends_with(text.substr(target.path_at)), "path and query are not touched", seen);
    http::request_target again;
    fuzz::demand(parse_target(which, path.text(), again).has_value(), "the origin form is accepted", seen);
    fuzz::demand(!again.has_authority(), "and stays one", seen);
    http::byte_buffer path_again;
    append_origin_form(path_again, which, path.text(), again);
    fuzz::demand(path_again.text() == path.text(), "the origin form is its own origin form", seen);
    // the reference agrees on where it goes and what it asks for
    const std::string method(name_of(which).empty() ? "OWN" : name_of(which));
    const reference_h1::reading read =
        reference_h1::read_requests(method + " " + std::string(text) + " HTTP/1.1\r\nHost: other.example\r\n\r\n");
    fuzz::demand(read.refused.empty() && read.messages.size() == 1, "the reference accepts the target", seen);
    const std::optional<reference_h1::purpose> purpose = purpose_of(read.messages[0].start);
    fuzz::demand(purpose && purpose->path == path.text(), "the reference reads the same path", seen);
    fuzz::demand(purpose->where == (target.has_authority() ? written(target.where, {}) : "other.example:80"),
                 "the reference reads the same host", seen);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::input from(data, size);
    const std::uint8_t choice = from.choice();
    const std::string_view text = from.rest();
    if (choice % 8 == 0) {
        literals(text);
    } else if (choice % 2 == 0) {
        authorities(choice / 8, text);
    } else {
        targets(static_cast<http::method>(choice / 8 % 10), text);
    }
    return 0;
}
