// What SOCKS clients say: however it is cut, ours reads the same, takes no byte more than the message has, and never
// waits for one that need not come; the reference reads what ours accepts to the same end, host and port. Input: a byte
// that chooses (handshake, login, datagram), a byte that cuts, then the text.
#include <algorithm>

#include "fuzzing.hpp"
#include "proxy/socks/message.hpp"
#include "reference_socks.hpp"

namespace {

using namespace co_wq;
using namespace co_wq::proxy::socks;
using reference_socks::target;

struct outcome {
    step last;
    std::size_t taken = 0;
    // Of what is wrong, how much was looked at before that showed depends on the pieces.
    friend bool operator==(const outcome& left, const outcome& right) {
        const bool same = left.last.what == right.last.what && left.last.size == right.last.size;
        return same && (left.last.what == progress::wrong || left.taken == right.taken);
    }
};

std::string seen_of(std::string_view text, const outcome& one) {
    return fuzz::shown(text) + "\noutcome " + std::to_string(static_cast<int>(one.last.what)) + ", size " +
           std::to_string(one.last.size) + ", taken " + std::to_string(one.taken);
}

template <class Parse>
outcome feed(std::string_view text, const fuzz::cuts& at, Parse&& parse) {
    std::string have;
    outcome out;
    std::size_t begin = 0;
    for (std::size_t i = 0; i <= at.size(); ++i) {
        const std::size_t end = i < at.size() ? at[i] : text.size();
        const_bytes left = as_bytes(text.substr(begin, end - begin));
        out.last = gather(have, left, parse);
        out.taken = end - left.size();
        if (out.last.what != progress::need_more) return out;
        fuzz::demand(left.empty(), "who needs more has taken all there is", text);
        begin = end;
    }
    return out;
}

// The message at the beginning of a text.
template <class Parse>
outcome read(std::string_view text, std::uint32_t seed, Parse&& parse) {
    const outcome whole = feed(text, {}, parse);
    for (const fuzz::cuts& at : {fuzz::every_byte(text.size()), fuzz::pieces_of(text.size(), seed)}) {
        const outcome cut = feed(text, at, parse);
        fuzz::demand(cut == whole, "however it is cut, the same",
                     [&] { return seen_of(text, whole) + seen_of(text, cut); });
    }
    const auto seen = [&] { return seen_of(text, whole); };
    fuzz::demand(whole.last.what != progress::done || whole.taken == whole.last.size, "no byte behind it is taken",
                 seen);
    fuzz::demand(whole.last.size <= 520, "messages are bounded", seen);
    if (whole.last.what != progress::done) return whole;
    for (std::size_t size = 0; size < whole.last.size; ++size) {
        const step before = parse(as_bytes(text.substr(0, size)));
        fuzz::demand(before.what == progress::need_more && before.size > size && before.size <= whole.last.size,
                     "what is not whole asks for more, but for no more than comes", seen);
    }
    return whole;
}

void expect_host(const http::authority& got, const target& meant, std::string_view text) {
    const auto seen = [&] { return fuzz::shown(text) + "\nhost " + fuzz::shown(got.host); };
    fuzz::demand(got.port == meant.port, "the port is the one that stands there", seen);
    const auto numeric = io::socket_address::parse(got.host, 0);
    fuzz::demand(numeric.has_value() == (got.kind != http::host_kind::name), "a host is of its kind", seen);
    if (meant.what != target::kind::name) {
        fuzz::demand(numeric && std::equal(meant.host.begin(), meant.host.end(), numeric->octets().begin(),
                                           [](char left, std::uint8_t right) {
                                               return static_cast<std::uint8_t>(left) == right;
                                           }),
                     "an address is the one that stands there", seen);
        return;
    }
    const auto plain = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    };
    fuzz::demand(numeric || std::all_of(got.host.begin(), got.host.end(), plain), "a name has a name's letters", seen);
    fuzz::demand(numeric || (got.host.size() == meant.host.size() &&
                             std::equal(got.host.begin(), got.host.end(), meant.host.begin(),
                                        [](char left, char right) {
                                            return left == (right >= 'A' && right <= 'Z' ? right + 32 : right);
                                        })),
                 "a name is the one that stands there", seen);
}

void try_handshake(std::string_view text, std::uint32_t seed) {
    std::size_t begin = 0;
    const bool version4 = !text.empty() && text[0] == 4;
    bool no_authentication = true;
    if (!version4) {
        greeting offered;
        const outcome first = read(text, seed, [&](const_bytes have) { return parse_greeting(have, offered); });
        if (first.last.what != progress::done) return;
        begin = first.taken;
        no_authentication = offered.no_authentication;
    }
    request asked;
    const outcome second = read(text.substr(begin), seed + 1, [&](const_bytes have) {
        return version4 ? parse_request4(have, asked) : parse_request5(have, asked);
    });
    const auto meant = reference_socks::read_handshake(text);
    const auto seen = [&] { return seen_of(text, second); };
    if (second.last.what == progress::wrong) {
        fuzz::demand(asked.refusal != reply::granted && !asked.why.empty(), "a refusal says why", seen);
        const std::string answer = write_reply(asked.version, asked.refusal);
        fuzz::demand(!version4 || answer[1] == 91, "a refusal is one", seen);
    }
    if (second.last.what != progress::done || !no_authentication) return;
    fuzz::demand(meant.has_value(), "the reference reads it, too", seen);
    fuzz::demand(begin + second.taken == meant->where.end, "it ends where the reference says", seen);
    fuzz::demand(static_cast<unsigned>(asked.what) == meant->command, "the command is the one that stands there", seen);
    expect_host(asked.where, meant->where, text);
}

void try_login(std::string_view text, std::uint32_t seed) {
    login given;
    const outcome got = read(text, seed, [&](const_bytes have) { return parse_login(have, given); });
    if (got.last.what != progress::done) return;
    const std::string again = '\1' + std::string(1, static_cast<char>(given.user.size())) + given.user +
                              static_cast<char>(given.password.size()) + given.password;
    fuzz::demand(text.starts_with(again), "user and password are those that stand there", text);
}

void try_datagram(std::string_view text) {
    datagram_head head;
    const bool taken = parse_datagram(as_bytes(text), head);
    const auto meant = reference_socks::read_target(text, 3);
    const bool plain = text.size() > 3 && text.substr(0, 3) == std::string_view("\0\0\0", 3);
    fuzz::demand(taken == (plain && meant && meant->port != 0), "taken when the reference would", text);
    if (!taken) return;
    fuzz::demand(head.size == meant->end && head.to.port() == meant->port, "as the reference reads it", text);
    fuzz::demand((meant->what == target::kind::name) == !head.name.empty(), "a name is a name", text);
    if (head.to.family() == io::address_family::none || !head.name.empty()) return;
    std::array<std::byte, datagram_head_max> room;
    const std::size_t size = write_datagram_head(room, head.to);
    fuzz::demand(as_text(const_bytes(room).last(size)) == text.substr(0, size), "written again it is the same", text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::input from(data, size);
    const std::uint8_t kind = from.choice();
    const std::uint32_t seed = from.choice();
    switch (kind % 4) {
        case 0: try_login(from.rest(), seed); break;
        case 1: try_datagram(from.rest()); break;
        default: try_handshake(from.rest(), seed);
    }
    return 0;
}
