#include "proxy/limits/guest.hpp"

#include "proxy/server.hpp"

namespace co_wq::proxy {
namespace {

bool is_loopback(const policy::ip_address& one) noexcept {
    constexpr std::array<std::uint8_t, 16> six{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    return one.family == io::address_family::ipv4 ? one.octets[0] == 127 : one.octets == six;
}

// 0: no limit. One client alone does not keep all others out, unless it is this machine, where that is nobody's loss.
std::uint32_t connections_of(const policy::ip_address& client, const limits& by, std::uint32_t all) noexcept {
    if (by.connections_per_client) return *by.connections_per_client;
    return is_loopback(client) ? 0 : std::max(1u, all / 2);
}

}  // namespace

guest::~guest() {
    server_.has_left();
    end_request();
    limiter& all = server_.group().limiter();
    if (client_) all.clients().leave(*client_, server_.loop().now());
    if (being_told_) all.turned_away();
    if (has_place_) all.unreserve();
}

bool guest::arrive(const policy::ip_address& client) {
    turned_away_ = sit(client);
    if (!turned_away()) return true;
    limiter& all = server_.group().limiter();
    being_told_ = all.turn_away();
    if (!being_told_) {
        ++server_.count().limited[static_cast<std::size_t>(limit_kind::unanswered)];
        all.tell(limit_kind::unanswered, client.text(), {}, server_.loop().now());
        return false;
    }
    all.unreserve();
    has_place_ = false;
    return true;
}

limit_kind guest::sit(const policy::ip_address& client) {
    if (server_.short_of_memory()) return limit_kind::memory;
    if (!client.known()) return limit_kind::none;
    const limits& by = server_.limit();
    limiter& all = server_.group().limiter();
    const std::uint32_t most = connections_of(client, by, all.connections_max());
    if (most == 0 && by.requests_per_client.per_second == 0 && by.bytes_per_client == 0) return limit_kind::none;
    client_ = all.clients().enter(key_of(client), most, server_.loop().now());
    return client_ ? limit_kind::none : limit_kind::connections_per_client;
}

denial guest::ask() {
    if (turned_away()) return {turned_away_};
    if (server_.short_of_memory()) return {limit_kind::memory};
    const rate& by = server_.limit().requests_per_client;
    if (!client_ || by.per_second == 0) return {};
    const duration wait = client_->requests.take(by, server_.loop().now());
    return wait == duration::zero() ? denial{} : denied_for(limit_kind::requests_per_client, wait);
}

denial guest::ask_as(std::string_view user) {
    const limits& by = server_.limit();
    const rate& requests = by.requests_per_user;
    if (user.empty() || (by.connections_per_user == 0 && requests.per_second == 0 && by.bytes_per_user == 0)) return {};
    end_request();
    const time_point now = server_.loop().now();
    user_ = server_.group().limiter().users().enter(std::string(user), by.connections_per_user, now);
    if (!user_) return {limit_kind::connections_per_user};
    if (requests.per_second == 0) return {};
    const duration wait = user_->requests.take(requests, now);
    return wait == duration::zero() ? denial{} : denied_for(limit_kind::requests_per_user, wait);
}

void guest::end_request() noexcept {
    if (party* const over = std::exchange(user_, nullptr))
        server_.group().limiter().users().leave(*over, server_.loop().now());
}

net::pacer* guest::pace() noexcept {
    const limits& by = server_.limit();
    const bool paced =
        by.bytes_per_connection > 0 || (client_ && by.bytes_per_client > 0) || (user_ && by.bytes_per_user > 0);
    return paced ? this : nullptr;
}

// So much that several connections at one pace alternate, and a read is worth its system call.
std::size_t guest::piece_max() const noexcept {
    const limits& by = server_.limit();
    std::uint64_t least = bytes_per_second_most;
    if (by.bytes_per_connection > 0) least = std::min(least, by.bytes_per_connection);
    if (client_ && by.bytes_per_client > 0) least = std::min(least, by.bytes_per_client);
    if (user_ && by.bytes_per_user > 0) least = std::min(least, by.bytes_per_user);
    return std::max<std::uint64_t>(1024, least / 20);
}

duration guest::took(bool forth, std::size_t size, time_point now) noexcept {
    const limits& by = server_.limit();
    duration owed{};
    if (by.bytes_per_connection > 0) owed = (forth ? up_ : down_).take(size, by.bytes_per_connection, now);
    if (client_ && by.bytes_per_client > 0)
        owed = std::max(owed, (forth ? client_->up : client_->down).take(size, by.bytes_per_client, now));
    if (user_ && by.bytes_per_user > 0)
        owed = std::max(owed, (forth ? user_->up : user_->down).take(size, by.bytes_per_user, now));
    return owed;
}

}  // namespace co_wq::proxy
