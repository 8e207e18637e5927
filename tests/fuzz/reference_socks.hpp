// A second reader of SOCKS, from RFC 1928, RFC 1929 and the SOCKS 4 and 4A notes alone: a whole text at once, by
// counting.
//
// For:     the targets socks and session; it shares nothing with apps/proxy.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace co_wq::reference_socks {

inline bool is_socks(std::string_view said) { return !said.empty() && (said[0] == 4 || said[0] == 5); }

inline unsigned at(std::string_view text, std::size_t index) {
    return index < text.size() ? static_cast<unsigned char>(text[index]) : 256;
}

// Where a request wants to go, as it stands there.
struct target {
    enum class kind : std::uint8_t { ipv4, ipv6, name };
    kind what = kind::ipv4;
    std::string_view host;
    unsigned port = 0;
    std::size_t end = 0;  // behind it
};

// ATYP, address, port. Nothing: not whole, or none.
inline std::optional<target> read_target(std::string_view text, std::size_t begin) {
    target out;
    std::size_t host = begin + 1, size = 0;
    switch (at(text, begin)) {
        case 1: size = 4; break;
        case 4:
            size = 16;
            out.what = target::kind::ipv6;
            break;
        case 3:
            size = at(text, host++);
            out.what = target::kind::name;
            if (size == 0 || size > 255) return std::nullopt;
            break;
        default: return std::nullopt;
    }
    if (text.size() < host + size + 2) return std::nullopt;
    out.host = text.substr(host, size);
    out.port = at(text, host + size) * 256 + at(text, host + size + 1);
    out.end = host + size + 2;
    return out;
}

struct handshake {
    unsigned command = 0;
    target where;
};

// All that a client says before its tunnel, when it need not log in. Nothing: not whole, or not right.
inline std::optional<handshake> read_handshake(std::string_view said) {
    if (at(said, 0) == 5) {
        const std::size_t begin = 2 + at(said, 1);
        if (said.size() < begin + 4 || said.substr(2, begin - 2).find('\0') == std::string_view::npos)
            return std::nullopt;
        if (said[begin] != 5 || said[begin + 2] != 0) return std::nullopt;
        const auto where = read_target(said, begin + 3);
        if (!where) return std::nullopt;
        return handshake{at(said, begin + 1), *where};
    }
    if (at(said, 0) != 4 || said.size() < 9) return std::nullopt;
    handshake out{at(said, 1), {}};
    out.where.port = at(said, 2) * 256 + at(said, 3);
    out.where.host = said.substr(4, 4);
    const std::size_t user_end = said.find('\0', 8);
    if (user_end == std::string_view::npos || user_end - 8 > 255) return std::nullopt;
    out.where.end = user_end + 1;
    if (said.substr(4, 3) == std::string_view("\0\0\0", 3) && said[7] != 0) {
        const std::size_t name_end = said.find('\0', user_end + 1);
        if (name_end == std::string_view::npos || name_end - user_end - 1 > 255) return std::nullopt;
        out.where.what = target::kind::name;
        out.where.host = said.substr(user_end + 1, name_end - user_end - 1);
        out.where.end = name_end + 1;
    }
    return out;
}

// What a client hears of us before its tunnel.
struct answers {
    bool right = true;     // they are what a server may say, as far as they came
    bool granted = false;
    bool over = false;     // nothing may come behind them
    std::size_t end = 0;
};

inline answers read_answers(unsigned version, std::string_view heard) {
    answers out;
    if (version == 4) {
        out.end = std::min<std::size_t>(heard.size(), 8);
        out.right = (heard.empty() || heard[0] == 0) && (heard.size() < 2 || at(heard, 1) == 90 || at(heard, 1) == 91);
        out.granted = heard.size() >= 8 && at(heard, 1) == 90;
        out.over = at(heard, 1) == 91;
        return out;
    }
    out.end = std::min<std::size_t>(heard.size(), 2);
    out.right = (heard.empty() || heard[0] == 5) && (heard.size() < 2 || at(heard, 1) == 0 || at(heard, 1) == 255);
    out.over = at(heard, 1) == 255;
    if (out.over || heard.size() <= 2) return out;
    const std::string_view reply = heard.substr(2);
    out.right =
        out.right && reply[0] == 5 && (reply.size() < 2 || at(reply, 1) <= 8) && (reply.size() < 3 || reply[2] == 0);
    out.right = out.right && (reply.size() < 4 || reply[3] == 1 || reply[3] == 4);
    out.over = reply.size() > 1 && reply[1] != 0;
    const std::size_t size = at(reply, 3) == 4 ? 22 : 10;
    out.granted = reply.size() >= size && reply[1] == 0;
    out.end = 2 + std::min(reply.size(), size);
    return out;
}

}  // namespace co_wq::reference_socks
