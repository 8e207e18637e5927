#include "proxy/seeing/seeing.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "base/os/limits.hpp"
#include "base/pool.hpp"
#include "proxy/seeing/escape.hpp"

namespace co_wq::proxy {

result<void> seeing::open() {
    if (options_.access_log.empty()) return {};
    result<std::unique_ptr<access_log>> made = access_log::open(options_.access_log);
    if (!made) return std::unexpected(made.error());
    log_ = std::move(*made);
    return {};
}

void seeing::close() noexcept {
    if (!log_) return;
    const std::uint64_t lost = log_->close(std::chrono::seconds(5));
    const std::uint64_t all = lost + log_->dropped();
    if (all > 0) log::warn("access log: {} lines were lost in all", all);
}

void seeing::reopen() noexcept {
    if (log_) log_->reopen();
}

seeing::loop_part& seeing::add_loop() {
    const std::scoped_lock guard(lock_);
    loop_part& made = loops_.emplace_back();
    made.index = static_cast<std::uint32_t>(loops_.size() - 1);
    return made;
}

live_tunnel::live_tunnel(loop_seeing& owner, request_note&& note, const request_words& words)
    : owner_(owner),
      note_(std::move(note)),
      connection_(words.connection),
      client_(words.client),
      protocol_(words.protocol),
      method_(words.method),
      target_(words.target) {
    note_.bytes_up = note_.bytes_down = 0;
    owner_.tunnels_.push_back(*this);
    ++owner_.figures().tunnels_current;
}

live_tunnel::~live_tunnel() {
    list_hook<live_tunnel>::unlink();
    --owner_.figures().tunnels_current;
    note_.bytes_up = progress_.bytes_forth;
    note_.bytes_down = progress_.bytes_back;
    note_.ends(ended::shutdown, ended::shutdown);
    count();
    owner_.write(note_, words());
}

void live_tunnel::finish(const net::pump_result& done) noexcept {
    note_.ends(end_of(done.forth.end, done.back.end), end_of(done.back.end, done.forth.end));
}

void live_tunnel::count() noexcept {
    owner_.figures().bytes_up.add(progress_.bytes_forth - std::exchange(counted_up_, progress_.bytes_forth));
    owner_.figures().bytes_down.add(progress_.bytes_back - std::exchange(counted_down_, progress_.bytes_back));
}

void live_tunnel_deleter::operator()(live_tunnel* one) const noexcept { pool_delete(one); }

loop_seeing::loop_seeing(seeing& all, io::event_loop& loop)
    : all_(all), loop_(loop), part_(all.add_loop()), dice_(os::process_salt() + part_.index) {
    if (access_log* log = all_.log()) lane_ = &log->add_lane();
}

void loop_seeing::begin(request_note& note) noexcept {
    const std::uint32_t number = note.number + 1;
    note = request_note{};
    note.number = number;
    note.open = true;
    if (!detailed()) return;
    note.when = std::chrono::system_clock::now();
    note.began = loop_.now();
}

void loop_seeing::reached(request_note& note, const result<net::dns::connected>& made) {
    if (!made) {
        if (made.error() != errc::stopped)
            ++figures().connect_failures[static_cast<std::size_t>(connect_failure_of(made.error()))];
        return;
    }
    ++figures().connects;
    if (!detailed()) return;
    note.dns = made->timings.dns;
    note.connect = made->timings.connect;
    note.upstream = made->peer.text();
    figures().connect_time.add(note.connect);
}

void loop_seeing::first_byte(request_note& note) noexcept {
    if (!detailed() || note.first_byte != not_measured) return;
    note.first_byte = loop_.now() - note.began;
    figures().first_byte.add(note.first_byte);
}

void loop_seeing::count_answer(const request_note& note, const request_words& words) noexcept {
    const std::size_t status_class = note.status < 600 ? note.status / 100 : 0;
    ++figures().answered[static_cast<std::size_t>(words.known_method)][status_class];
    figures().bytes_up.add(note.bytes_up);
    figures().bytes_down.add(note.bytes_down);
}

void loop_seeing::end(request_note& note, const request_words& words) {
    note.open = false;
    count_answer(note, words);
    write(note, words);
}

live_tunnel_ptr loop_seeing::begin_tunnel(request_note&& note, const request_words& words) {
    note.open = false;
    count_answer(note, words);
    if (!detailed()) return {};
    return live_tunnel_ptr(pool_new<live_tunnel>(*this, std::move(note), words));
}

void loop_seeing::write(const request_note& note, const request_words& words) noexcept {
    if (!lane_) return;
    const seeing_options& chosen = all_.chosen();
    if (chosen.sample < 1 && !note.remarkable() && dice_.fraction() >= chosen.sample) return;
    try {
        compose(note, words);
        (void)lane_->write(line_);
    } catch (const std::exception&) {  // no memory for it
        lane_->drop();
    }
}

void loop_seeing::compose(const request_note& note, const request_words& words) {
    const seeing_options& chosen = all_.chosen();
    target_ = loggable_target(words.target, {.query = chosen.query, .well_formed = note.well_formed});
    const access_record record{
        .when = note.when,
        .loop = part_.index,
        .connection = words.connection,
        .request = note.number,
        .client = words.client,
        .user = note.user,
        .protocol = words.protocol,
        .method = words.method,
        .target = target_,
        .decision = note.decision,
        .rule = note.rule,
        .status = note.status,
        .upstream = note.upstream,
        .pooled = note.pooled,
        .dns = note.dns,
        .connect = note.connect,
        .first_byte = note.first_byte,
        .total = loop_.now() - note.began,
        .bytes_up = note.bytes_up,
        .bytes_down = note.bytes_down,
        .up = note.up,
        .down = note.down,
        .detail = note.detail,
        .via = note.via,
    };
    line_.clear();
    chosen.json() ? append_json(line_, record) : append_text(line_, record);
}

void loop_seeing::refresh(std::size_t pool_size, const net::dns::resolver_counters& names) noexcept {
    loop_figures& to = figures();
    for (live_tunnel* one = tunnels_.first(); one; one = tunnels_.after(*one)) one->count();
    to.pool_size.set(pool_size);
    to.dns_lookups.set(names.local + names.hits + names.misses);
    to.dns_cache_hits.set(names.hits);
    to.dns_queries.set(names.queries);
    to.dns_failures.set(names.failures);
    to.dns_timeouts.set(names.timeouts);
    const io::reactor_stats& stats = loop_.reactor().stats();
    to.waits.set(stats.waits);
    to.events.set(stats.events);
    to.turns.set(loop_.turns());
    to.late_completions.set(loop_.slots().counters().late);
    to.live_operations.set(loop_.slots().live());
}

}  // namespace co_wq::proxy
