#include "net/tls/detail/dtls_server.hpp"

#include <utility>
#include <vector>

namespace co_wq::net::tls::detail {

std::size_t dtls_server::address_hash::operator()(const io::socket_address& of) const noexcept {
    // only addresses that have been proved get into the table, so nobody chooses many of them
    const std::string_view octets(reinterpret_cast<const char*>(of.octets().data()), of.octets().size());
    return std::hash<std::string_view>()(octets) * 31 + of.port() * 0x9E3779B97F4A7C15ull;
}

dtls_server::dtls_server(udp_socket socket, server_context context, const dtls_listener_options& options) noexcept
    : dtls_endpoint(std::move(socket), options, false),
      context_(std::move(context)),
      options_(options),
      acceptable_("accept a DTLS session") {}

dtls_server::~dtls_server() { shut(); }  // the tasks know this class

// ---- the table

dtls_server::table::iterator dtls_server::find(const dtls_association& who) noexcept {
    const auto at = table_.find(who.peer());
    return at != table_.end() && at->second.who == &who ? at : table_.end();
}

void dtls_server::move_to(entry& one, place where) noexcept {
    --number_in(one.at);
    ++number_in(where);
    one.at = where;
    one.who->list_hook<in_turn>::unlink();
    if (where == place::waiting) waiting_.push_back(*one.who);
    if (where == place::lingering) lingering_.push_back(*one.who);
}

// May destroy the association, and not before all is as it will be.
void dtls_server::erase(table::iterator at) noexcept {
    const association_ptr last = std::move(at->second.kept);
    at->second.who->list_hook<in_turn>::unlink();
    --number_in(at->second.at);
    table_.erase(at);
    if (waiting_.empty() && !closed_ && !lost_) acceptable_.reset();
}

// ---- what arrives

void dtls_server::arrived(const io::socket_address& from, const_bytes datagram) noexcept {
    ++counters_.datagrams;
    const auto at = table_.find(from);
    const std::optional<client_hello> hello = parse_client_hello(datagram);
    if (at == table_.end()) {
        if (hello) return greet(from, *hello, datagram);
        ++counters_.stray;
        return;
    }
    dtls_association& known = *at->second.who;
    // repeated, or a client that begins anew
    if (!hello || std::equal(hello->random.begin(), hello->random.end(), known.hello_random().begin()))
        return known.feed(datagram);
    greet(from, *hello, datagram);
}

void dtls_server::greet(const io::socket_address& from, const client_hello& hello, const_bytes datagram) noexcept {
    if (closed_) return;
    if (secrets_.good(from, hello, now())) {
        try {
            return admit(from, hello, datagram);
        } catch (const std::bad_alloc&) {
            ++counters_.refused;
            return;
        }
    }
    if (!hello.cookie.empty()) ++counters_.bad_cookies;
    const std::optional<cookie> given = secrets_.make(from, hello, now());
    if (!given) return;
    ++counters_.cookies;
    (void)output(from, hello_verify(hello, *given));
}

bool dtls_server::make_place() noexcept {
    if (number_in(place::half_open) >= options_.half_open_max) return false;
    if (table_.size() < options_.sessions_max) return true;
    dtls_association* const oldest = lingering_.first();
    if (!oldest) return false;
    erase(find(*oldest));
    return true;
}

void dtls_server::admit(const io::socket_address& from, const client_hello& hello, const_bytes datagram) {
    const auto before = table_.find(from);
    if (before == table_.end() && !make_place()) {
        ++counters_.refused;
        return;
    }
    if (before != table_.end()) {
        ++counters_.replaced;
        before->second.who->fail_with(errc::connection_reset);  // which takes it out
    }
    result<ssl_st*> connection = context_.open();
    if (!connection) {
        ++counters_.refused;
        return;
    }
    const auto made = std::make_shared<dtls_association>(shared_from_this(), from, ssl_ptr(*connection), options_);
    table_.insert_or_assign(from, entry{made.get(), made, place::half_open});
    ++number_in(place::half_open);
    if (made->start_server(hello, datagram, saturating_add(now(), options_.handshake_limit))) return;
    ++counters_.stray;
    if (const auto at = find(*made); at != table_.end()) erase(at);
}

// ---- what becomes of them

void dtls_server::opened(dtls_association& who) noexcept {
    const auto at = find(who);
    if (at == table_.end() || at->second.at != place::half_open) return;
    ++counters_.opened;
    if (number_in(place::waiting) >= options_.backlog_max) {
        ++counters_.refused;
        return who.close();
    }
    move_to(at->second, place::waiting);
    acceptable_.set();
}

void dtls_server::over(dtls_association& who, error why) noexcept {
    const auto at = find(who);
    if (at == table_.end()) return;
    if (at->second.at == place::half_open) {
        ++counters_.failed;
        counters_.last_failure = why;
    }
    // one that nobody has accepted yet may have messages left
    if (at->second.at == place::waiting && why == errc::closed) return;
    erase(at);
}

void dtls_server::closed(dtls_association& who, bool may_have_to_answer) noexcept {
    const auto at = find(who);
    if (at == table_.end() || !may_have_to_answer || closed_ || options_.linger <= duration::zero()) {
        if (at != table_.end()) erase(at);
        // only a session's owner comes here then, and none of the tasks that this ends
        if (closed_ && table_.empty()) shut();
        return;
    }
    at->second.kept = who.shared_from_this();
    move_to(at->second, place::lingering);
    who.linger(saturating_add(now(), options_.linger));
}

void dtls_server::forget(dtls_association& who) noexcept {
    if (const auto at = find(who); at != table_.end()) erase(at);
}

// ---- the listener's

task<result<association_ptr>> dtls_server::accept(std::shared_ptr<dtls_server> self) {
    for (;;) {
        const result<void> waited = co_await self->acceptable_.wait();
        if (!waited) co_return std::unexpected(waited.error());
        if (self->closed_) co_return fail(errc::closed);
        if (self->lost_) co_return std::unexpected(*self->lost_);
        dtls_association* const first = self->waiting_.first();
        if (!first) {
            self->acceptable_.reset();
            continue;
        }
        entry& one = self->find(*first)->second;
        self->move_to(one, place::accepted);
        if (self->waiting_.empty()) self->acceptable_.reset();
        co_return std::exchange(one.kept, nullptr);
    }
}

void dtls_server::lost(error why) noexcept {
    lost_ = why;
    std::vector<association_ptr> all;
    for (const auto& [address, one] : table_) all.push_back(one.who->shared_from_this());
    for (const association_ptr& one : all) one->fail_with(why);  // which takes it out
    acceptable_.set();
}

void dtls_server::close() noexcept {
    if (std::exchange(closed_, true)) return;
    acceptable_.set();
    const auto alive = shared_from_this();
    std::vector<association_ptr> kept;
    for (auto& [address, one] : table_)
        if (one.kept) kept.push_back(one.kept);
    for (const association_ptr& one : kept) {
        one->close();
        if (const auto at = find(*one); at != table_.end()) erase(at);
    }
    if (table_.empty()) shut();
}

dtls_listener_counters dtls_server::counters() const noexcept {
    dtls_listener_counters now_is = counters_;
    now_is.truncated = truncated();
    now_is.unsent = unsent();
    now_is.half_open = numbers_[0];
    now_is.waiting = numbers_[1];
    now_is.lingering = numbers_[3];
    now_is.sessions = static_cast<std::uint32_t>(table_.size());
    return now_is;
}

}  // namespace co_wq::net::tls::detail
