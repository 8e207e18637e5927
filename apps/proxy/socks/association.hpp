// association: a UDP relay for one SOCKS 5 client (RFC 1928 section 7).
//
// For:        UDP ASSOCIATE. One socket at the address where the client's connection arrived takes its datagrams,
// another
//             one sends them on.
// Guarantees: datagrams are taken from the client's host alone, and after the first good one from its port alone;
// answers
//             only from where the client has sent to. Fragments and what is not whole are dropped. Every destination is
//             asked about (admit.hpp), names before and after they are resolved; groups and broadcasts are never sent
//             to. Ends with the client's connection, and when no datagram was carried for idle_timeout.
// Bounds:     peers, names and datagrams that wait for a name; without a datagram under way no memory for any is held.
//             How many a client may have at once is the ledger's to know.
// Threads:    the loop's own, but for the ledger. Lifetime: the server's, within one connection.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "net/idle_guard.hpp"
#include "net/pump.hpp"
#include "net/tls/connection.hpp"
#include "net/udp.hpp"
#include "proxy/socks/admit.hpp"
#include "proxy/socks/message.hpp"
#include "proxy/socks/peers.hpp"
#include "sync/mutex.hpp"
#include "task/scope.hpp"

namespace co_wq::proxy {

class live_tunnel;
class proxy_server;

namespace socks {

// How many associations each client has, over all loops.
class association_ledger {
public:
    bool enter(const host_key& client, std::uint32_t most);
    void leave(const host_key& client) noexcept;

private:
    std::mutex lock_;
    std::unordered_map<host_key, std::uint32_t, key_hash> counts_;
};

class association {
public:
    association(proxy_server& server, asker who);
    association(const association&) = delete;
    ~association();

    // announced: from where the client says it will send. The relay's address for the client.
    // Errors: limit_exceeded: the client has as many as it may; busy: so has the proxy; else of the sockets.
    result<io::socket_address> open(const net::tls::connection& control, const http::authority& announced);
    // noted: where bytes that are sent on are counted at once, and destinations that are denied are noted; null: nobody
    // looks. It outlives the task. idle: no datagram was carried for idle_timeout; else eof.
    task<net::end_reason> run(net::tls::connection& control, live_tunnel* noted);

private:
    struct batch;

    task<void> run_tasks(net::tls::connection& control);
    task<void> watch(net::tls::connection& control);
    task<void> from_client();
    task<void> from_outside();
    task<bool> carry_up();
    task<bool> carry_down();
    task<bool> send(net::udp_socket& by, std::span<const io::outgoing> all);
    bool take_up(const io::incoming& one, io::outgoing& out);
    bool take_down(const io::incoming& one, io::outgoing& out);
    bool find_name(const datagram_head& head, const_bytes payload, io::outgoing& out);
    bool may_send_to(const io::socket_address& to);
    question question_about(std::string_view host, std::uint16_t port, let_through& reported) const noexcept;
    decision judge(std::string_view host, const io::socket_address& to, let_through& reported);
    void note(const decision& made, std::string_view host, std::uint16_t port, const let_through& reported);
    task<void> ask(name_table::entry& about, std::string host, std::uint16_t port, let_through reported);
    io::socket_address chosen(const std::vector<io::socket_address>& found, std::string_view host,
                              let_through& reported, decision& made);
    task<void> send_waiting(std::vector<std::string> payloads, io::socket_address to);
    bool address(io::outgoing& out, const io::socket_address& to) const noexcept;
    void end() noexcept { tasks_->request_stop(); }

    proxy_server& server_;
    const asker who_;
    io::socket_address client_udp_;  // where its datagrams come from
    bool in_ledger_ = false, reserved_ = false;
    bool outer_is_ipv6_ = true;
    net::udp_socket inner_, outer_;  // to the client; to everybody else
    mutex outer_turn_;
    net::idle_guard* guard_ = nullptr;
    counting_scope* tasks_ = nullptr;
    live_tunnel* noted_ = nullptr;
    peer_table peers_;
    name_table names_;
    std::string key_;  // of the name that is looked up
    std::size_t waiting_bytes_ = 0;
    std::uint64_t denied_ = 0;
    std::uint64_t up_ = 0, down_ = 0, dropped_ = 0;
};

}  // namespace socks
}  // namespace co_wq::proxy
