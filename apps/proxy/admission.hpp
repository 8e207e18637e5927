// admission: one client's dealings with the rules, request by request.
//
// For:        the session, and whoever else dials for a client: ask() before a name is resolved, may_dial() for each
//             address before it is dialled.
// Requires:   the texts of a request hold until the next ask().
// Guarantees: the rules are those of the time of the request. Passwords are checked off the loop. Every request
//             that is denied, and in report mode what would be, is a log line that names the rule.
// Threads:    the loop's own. Lifetime: within the server's.
//
//   const refusal no = co_await admission.ask("CONNECT", where, credentials);
//   if (no) co_return refuse(no.status(), no.detail());
//   dialling.allow = [&](const io::socket_address& peer) { return admission.may_dial(peer); };
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "http/target.hpp"
#include "net/tls/connection.hpp"
#include "proxy/policy/engine.hpp"

namespace co_wq::proxy {

class proxy_server;

// How to reach what was asked for, as the rules have it.
struct chosen_way {
    const policy::engine* rules = nullptr;
    const policy::route* route = nullptr;  // null: plainly, which is all there is to know
    bool by_address = false, needs_address = false;  // as in policy::decision
};

// A status and what to say with it; or nothing, when the client may go on.
class refusal {
public:
    refusal() noexcept = default;
    refusal(std::uint16_t status, std::string detail) : status_(status), detail_(std::move(detail)) {}
    explicit operator bool() const noexcept { return status_ != 0; }
    std::uint16_t status() const noexcept { return status_; }
    const std::string& detail() const noexcept { return detail_; }

private:
    std::uint16_t status_ = 0;
    std::string detail_;
};

// What report mode has let through of one request: what would have denied it. The rules outlive it.
class let_through {
public:
    explicit operator bool() const noexcept { return any_; }
    // The first one's.
    std::string_view rule() const noexcept { return rule_; }
    void clear() noexcept { any_ = false; }
    // False: its rule is what was added last. A numeric destination is asked about twice, and a name may have many
    // addresses.
    bool add(const policy::decision& one);

private:
    bool any_ = false;
    std::string_view rule_, last_;
};

// The decision as an answer (403, or 407 for credentials; nothing: go on), and what is denied, or would be in report
// mode, as a line of the log, once. before: of the same request; a denial empties it. For every protocol.
refusal told(const policy::question& what, const policy::decision& one, let_through& before);

class admission {
public:
    // listener: its place among the options' listeners.
    admission(proxy_server& server, const io::socket_address& client, std::uint32_t listener);

    // credentials: the value of Proxy-Authorization; nothing: there is none, or there are several.
    task<refusal> ask(std::string_view method, const http::authority& where,
                      std::optional<std::string_view> credentials);
    bool may_dial(const io::socket_address& peer);
    // Whether the last request may use a kept connection, which somebody else's request may have made. What report mode
    // lets through is told, as by may_dial.
    bool may_reuse(const net::tls::connection& origin);

    // Why may_dial refused last, since ask(), with its line in the log; nothing: it did not. For a request that came
    // nowhere: while another address of the name was allowed, nothing was denied.
    refusal denial();
    // Who asked last; empty: nobody that is known.
    const std::string& user() const noexcept { return user_; }
    // What decided last, as "rule (file:line)"; of what report mode let through, what would have denied it. A view into
    // the rules.
    std::string_view rule() const noexcept { return reported_ ? reported_.rule() : rule_; }
    // Since ask(), report mode has let something through.
    bool reported() const noexcept { return static_cast<bool>(reported_); }
    // Of the last ask(), and valid until the next one.
    chosen_way way() const noexcept { return {rules_.get(), route_, by_address_, needs_address_}; }
    const std::shared_ptr<const policy::engine>& rules() const noexcept { return rules_; }
    std::uint32_t listener() const noexcept { return what_.listener; }
    // A user by the certificate it has shown; empty: it is nobody that is known.
    void set_certified(std::string name) noexcept { certified_ = std::move(name); }
    const std::string& certified() const noexcept { return certified_; }
    void set_client(const io::socket_address& client) noexcept;  // when somebody else says who it is

private:
    task<refusal> identify(std::string_view credentials);
    refusal say(const policy::decision& one);

    proxy_server& server_;
    unsigned version_;  // of the rules
    std::shared_ptr<const policy::engine> rules_;
    policy::question what_;
    std::string user_, certified_;
    std::string_view rule_;
    let_through reported_;
    policy::decision denied_;
    const policy::route* route_ = nullptr;
    bool by_address_ = false, needs_address_ = false;
};

}  // namespace co_wq::proxy
