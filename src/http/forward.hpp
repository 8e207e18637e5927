// Which fields an intermediary passes on, and what it adds: the hygiene between two connections.
//
// For:        the serialisers of h1 (and of any later version): they walk a head and ask hop_filter about each field.
// Guarantees: what belongs to one connection never crosses to the next: Connection and what it names, Proxy-Connection,
//             Keep-Alive, TE, Transfer-Encoding, Upgrade, HTTP2-Settings and the proxy's own credentials. What frames
//             or routes a message (Content-Length, Host, Via, Max-Forwards) or instructs everybody (Cache-Control)
//             cannot be named away in Connection. No allocation.
// Threads:    one at a time.
// Lifetime:   a filter refers to the list it was made from, which must not change meanwhile.
// Source:     RFC 9110 sections 7.6.1 (Connection), 7.6.2 (Max-Forwards), 7.6.3 (Via), 11.7 (proxy authentication).
//
//   const hop_filter filter(head.headers);
//   for (const field each : head.headers)
//       if (!filter.drops(each)) append_field(out, each.name, each.value);
#pragma once

#include <array>

#include "http/headers.hpp"
#include "http/method.hpp"

namespace co_wq::http {

class hop_filter {
public:
    explicit hop_filter(const header_list& headers) noexcept;

    bool drops(const field& each) const noexcept {
        if (each.id != field_id::other) return dropped_.has(each.id);
        return named_ != 0 && names(each.name);
    }

private:
    void note(std::string_view option) noexcept;
    bool names(std::string_view name) const noexcept;

    static constexpr std::size_t remembered_max = 8;  // more than any honest peer names; beyond, the list is read again
    const header_list& headers_;
    field_set dropped_;
    std::size_t named_ = 0;  // names in Connection that are no known fields
    std::array<std::string_view, remembered_max> remembered_;
};

// A copy without the fields that stay on this connection.
header_list forwardable(const header_list& headers);

// Max-Forwards, which only TRACE and OPTIONS obey.
struct forward_budget {
    enum class verdict : std::uint8_t {
        unlimited,  // no Max-Forwards, or a method that ignores it
        forward,  // pass on with Max-Forwards: left
        answer,  // it was 0: answer the request ourselves
        invalid,  // not a number, or several: 400
    };
    verdict what = verdict::unlimited;
    std::uint32_t left = 0;
};
forward_budget budget_of(method which, const header_list& headers) noexcept;

// Whether Via says that a message came through an intermediary of this name: a loop, if the name is ours.
bool came_through(const header_list& headers, std::string_view pseudonym) noexcept;

}  // namespace co_wq::http
