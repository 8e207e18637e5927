#include "proxy/upstream_pool.hpp"

#include <algorithm>

namespace co_wq::proxy {

struct upstream_pool::idle_connection : list_hook<idle_connection> {
    idle_connection(upstream_pool& owner, std::string name, net::tls::connection kept)
        : pool(owner),
          origin(std::move(name)),
          stream(std::move(kept)),
          since(owner.loop_.turn_time()),
          watcher(owner.loop_) {}
    upstream_pool& pool;
    std::string origin;
    net::tls::connection stream;
    time_point since;
    counting_scope watcher;  // destroyed first: its task refers to the rest
};

upstream_pool::upstream_pool(io::event_loop& loop, const limits& limit) noexcept
    : timer(&expired), loop_(loop), limit_(limit) {}

upstream_pool::~upstream_pool() { clear(); }

void upstream_pool::clear() noexcept {
    while (idle_connection* one = by_age_.pop_front()) delete one;
    while (idle_connection* one = ended_.pop_front()) delete one;
    by_origin_.clear();
    size_ = 0;
    timer::cancel();
}

net::tls::connection upstream_pool::take(const std::string& origin) {
    const auto found = by_origin_.find(origin);
    if (found == by_origin_.end()) return {};
    idle_connection* one = found->second.back();
    net::tls::connection stream = std::move(one->stream);
    drop(*one);
    delete one;
    return stream;
}

void upstream_pool::give_back(const std::string& origin, net::tls::connection stream) {
    while (idle_connection* over = ended_.pop_front()) delete over;
    if (limit_.pool_per_host_max == 0 || limit_.pool_max == 0) return;
    auto& same = by_origin_[origin];
    if (same.size() >= limit_.pool_per_host_max) return;
    if (size_ >= limit_.pool_max) {
        idle_connection& oldest = by_age_.front();
        drop(oldest);
        delete &oldest;
    }
    auto* one = new idle_connection(*this, origin, std::move(stream));
    by_origin_[origin].push_back(one);
    by_age_.push_back(*one);
    ++size_;
    one->watcher.spawn(watch(*one), "idle upstream");
    if (!timer::armed()) loop_.timers()->arm(*this, one->since + limit_.pool_idle_timeout);
}

// Takes it out of the books; the caller frees it.
void upstream_pool::drop(idle_connection& one) noexcept {
    one.list_hook<idle_connection>::unlink();
    const auto found = by_origin_.find(one.origin);
    std::erase(found->second, &one);
    if (found->second.empty()) by_origin_.erase(found);
    --size_;
}

task<void> upstream_pool::watch(idle_connection& one) {
    if (one.stream.secured()) {  // what TLS has read already counts, too
        const result<io::lease> spoke = co_await one.stream.recv_lease(1);
        (void)spoke;
    } else {
        const result<void> spoke = co_await one.stream.tcp().socket().ready(io::direction::read);
        (void)spoke;
    }
    one.pool.drop(one);
    one.stream.close();
    one.pool.ended_.push_back(one);  // not freed here: this task lives in it
}

void upstream_pool::expired(timer& self) noexcept {
    auto& me = static_cast<upstream_pool&>(self);
    while (idle_connection* over = me.ended_.pop_front()) delete over;
    const time_point now = me.loop_.now();
    while (!me.by_age_.empty()) {
        idle_connection& oldest = me.by_age_.front();
        const time_point due = oldest.since + me.limit_.pool_idle_timeout;
        if (due > now) return me.loop_.timers()->arm(me, due);
        me.drop(oldest);
        delete &oldest;
    }
}

}  // namespace co_wq::proxy
