// dtls_server: which datagram is whose; who may come in.
//
// A client's way in:  nothing --hello--> cookie, nothing kept --hello with it--> half open --handshake--> waiting
//                     --accept--> a session's --close--> gone, or lingering for a while
// Invariants: 1. The table has those that datagrams are for, one for each address; others are over.
//             2. What no session holds is kept by its place in the table, and by nothing else.
// Threads:    the loop's own. Lifetime: shared by the listener and the associations.
#pragma once

#include <unordered_map>

#include "net/tls/detail/dtls_cookies.hpp"
#include "net/tls/detail/dtls_endpoint.hpp"
#include "net/tls/dtls_listener.hpp"

namespace co_wq::net::tls::detail {

class dtls_server final : public dtls_endpoint {
public:
    dtls_server(udp_socket socket, server_context context, const dtls_listener_options& options) noexcept;
    ~dtls_server() override;

    static task<result<association_ptr>> accept(std::shared_ptr<dtls_server> self);
    // The listener lets go.
    void close() noexcept;
    dtls_listener_counters counters() const noexcept;

    void opened(dtls_association& who) noexcept override;
    void over(dtls_association& who, error why) noexcept override;
    void closed(dtls_association& who, bool may_have_to_answer) noexcept override;
    void forget(dtls_association& who) noexcept override;

private:
    struct address_hash {
        std::size_t operator()(const io::socket_address& of) const noexcept;
    };
    enum class place : std::uint8_t { half_open, waiting, accepted, lingering };
    struct entry {
        dtls_association* who = nullptr;
        association_ptr kept;  // null: a session has it
        place at = place::half_open;
    };
    using table = std::unordered_map<io::socket_address, entry, address_hash>;

    void arrived(const io::socket_address& from, const_bytes datagram) noexcept override;
    void hear(error) noexcept override {}
    void lost(error why) noexcept override;
    void greet(const io::socket_address& from, const client_hello& hello, const_bytes datagram) noexcept;
    void admit(const io::socket_address& from, const client_hello& hello, const_bytes datagram);
    bool make_place() noexcept;
    table::iterator find(const dtls_association& who) noexcept;
    void move_to(entry& one, place where) noexcept;
    void erase(table::iterator at) noexcept;
    std::uint32_t& number_in(place which) noexcept { return numbers_[static_cast<std::size_t>(which)]; }

    server_context context_;
    const dtls_listener_options options_;
    cookie_secrets secrets_;
    dtls_listener_counters counters_;
    std::uint32_t numbers_[4]{};
    intrusive_list<dtls_association, in_turn> waiting_, lingering_;
    dtls_flag acceptable_;
    bool closed_ = false;
    std::optional<error> lost_;
    table table_;
};

}  // namespace co_wq::net::tls::detail
