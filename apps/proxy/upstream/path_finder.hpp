// path_finder: a connection to a destination by a route of the policy engine: through a parent, another one if that
// fails, or directly from an egress address.
//
// For:        sessions whose request has a route that is not plain. Plain ones never come here.
// Requires:   everything it is given outlives it.
// Guarantees: All of find() happens within connect_timeout. Numeric destinations are judged by `may` before anything
//             is dialled. Names that are resolved here: each address is judged, and one that was allowed is what the
//             parent gets. Parents are never the proxy's own listening addresses. As long as nothing of the request was
//             sent, what a parent could not do the next one of its group is asked for, up to tries_max; when none is
//             up, or all have failed, the group says whether to go directly. A failed connection to a parent counts
//             against it (live_parent.hpp); what it answers does not, since a client could choose destinations that
//             take a parent down for all. A request whose host the parent may resolve, or that is numeric, shares the
//             kept connections of its parent with other requests; one whose name was resolved here has a tunnel of its
//             own, never kept, since the next one's address is another question.
// Cancelled:  by the surrounding scope: errc::stopped.
// Threads:    the session's loop.
#pragma once

#include <functional>
#include <string>

#include "net/dns/address_list.hpp"
#include "proxy/seeing/request_note.hpp"
#include "proxy/server.hpp"
#include "proxy/upstream/conversation.hpp"
#include "proxy/upstream/parent_set.hpp"

namespace co_wq::proxy::upstream {

struct path {
    net::tls::connection stream{};
    io::lease behind{};  // what the destination has said already
    hold parent{};  // of none: direct
    std::string keep_as{};  // in the pool, when a request is over; empty: it is not kept
    bool reused = false;  // was kept
    bool to_proxy = false;  // what is spoken on it is spoken to a proxy: absolute form, with authorization
};

// What is wanted on it.
enum class purpose : std::uint8_t {
    tunnel,
    request,  // of HTTP
    new_request,  // and on no kept connection
};

struct wanted {
    wanted(const http::authority& to, purpose for_what, bool addresses_decide, bool only_addresses_allow) noexcept
        : where(to), what(for_what), by_address(addresses_decide), needs_address(only_addresses_allow) {}

    const http::authority& where;
    const purpose what;
    const bool by_address;  // addresses of the name are to be judged
    const bool needs_address;  // without an address that is allowed nothing is
};

class path_finder {
public:
    using address_filter = std::function<bool(const io::socket_address&)>;

    path_finder(proxy_server& server, const policy::engine& rules, const policy::route& route, request_note& note,
                const wanted& asked, address_filter may)
        : server_(server), rules_(rules), route_(route), note_(note), asked_(asked), may_(std::move(may)) {}

    task<result<void>> find();
    path take() noexcept { return std::move(found_); }
    // After find() failed: for the client. Empty: the error says it all, or what `may` said.
    const std::string& why() const noexcept { return failure_.why; }

private:
    task<result<void>> find_path();
    task<bool> try_parent(const parent_group& group, const std::shared_ptr<live_parent>& one);
    task<bool> try_target(live_parent& one, const http::authority& target);
    task<bool> connect_to(live_parent& one);
    task<result<net::tls::connection>> dial(const std::string& host, std::uint16_t port, address_filter may);
    task<result<net::tls::connection>> dial_parent(const live_parent& one, address_filter may);
    task<result<void>> go_directly();
    task<bool> resolve();
    bool take_kept(std::string name);
    bool resolves_here(const live_parent& one) const noexcept;
    // Or no name is asked for. It is passed over if not.
    bool may_have_name(const live_parent& one) const noexcept;
    bool fails(outcome what);
    std::string from_where() const;

    proxy_server& server_;
    const policy::engine& rules_;
    const policy::route& route_;
    request_note& note_;
    const wanted asked_;
    address_filter may_;
    time_point deadline_{};
    net::dns::address_list addresses_;  // of the destination, which are allowed
    bool resolved_ = false;
    bool others_follow_ = false;  // this attempt leaves time for them
    outcome failure_;
    path found_;
};

}  // namespace co_wq::proxy::upstream
