#include "net/dns/detail/engine.hpp"

#include <algorithm>
#include <cstdlib>
#include <random>

#include "base/log.hpp"
#include "base/os/machine_name.hpp"
#include "net/dns/host_name.hpp"
#include "task/yield.hpp"

namespace co_wq::net::dns::detail {
namespace {

constexpr duration failure_ttl_max = std::chrono::minutes(5);  // RFC 2308 section 7

bool is_negative(errc code) noexcept { return code == errc::name_not_found || code == errc::name_no_data; }

bool is_failure(errc code) noexcept { return code == errc::name_server_failed || code == errc::timed_out; }

const answer_ptr& no_data() {
    static const answer_ptr made = make_answer(errc::name_no_data);
    return made;
}

const answer_ptr& loopback_answer(record_type type) {
    static const answer_ptr ipv4 = make_answer(found{.addresses = {io::socket_address::loopback(0)}});
    static const answer_ptr ipv6 = make_answer(
        found{.addresses = {io::socket_address::ipv6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 0)}});
    if (type == record_type::a) return ipv4;
    return type == record_type::aaaa ? ipv6 : no_data();
}

std::uint64_t seed_of(const resolver_options& options) {
    return options.seed != 0 ? options.seed : static_cast<std::uint64_t>(std::random_device()()) << 32 | 1;
}

std::string with_commas(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& one : words) text += (text.empty() ? "" : ",") + one;
    return text;
}

}  // namespace

engine::engine(io::event_loop& loop, resolver_options options)
    : loop_(loop),
      options_(std::move(options)),
      hosts_(options_.hosts_file),
      random_(seed_of(options_)),
      table_(options_.entries_max, options_.cache_bytes_max, this, &on_reply),
      tasks_(loop) {
    if (!options_.servers.empty() && !options_.search) options_.resolv_conf.clear();  // says nothing that counts
    config_source_ = config_source(options_.resolv_conf);
    (void)config_source_.has_changed(loop_.now());
    configure(read_config());
    hosts_.look(loop_.now());
    go_on_loading();
}

// Who waits ends with `closed`; who has yet to take the next step finds nobody to ask, and ends so, too.
engine::~engine() {
    channel_.reset();
    draining_.clear();
    while (search* one = searches_.pop_front()) one->engine_ = nullptr;
}

// ---- the system's configuration

system_config engine::read_config() {
    system_config made;
    if (!options_.resolv_conf.empty()) made = parse_resolv_conf(config_source_.text(), os::machine_name());
    if (options_.environment) apply_environment(made, std::getenv("LOCALDOMAIN"), std::getenv("RES_OPTIONS"));
    return made;
}

// Throws, and then nothing has changed.
void engine::configure(system_config config) {
    auto rules = std::make_shared<const search_rules>(rules_of(config));
    auto fresh = std::make_unique<cares_channel>(loop_, options_of(config));
    if (channel_) draining_.push_back(std::move(channel_));
    channel_ = std::move(fresh);
    ask_local_ = options_.ask_local.value_or(uses_local_domain(rules->domains) || uses_local_domain(config.search));
    rules_ = std::move(rules);
    config_ = std::move(config);
}

channel_options engine::options_of(const system_config& config) const {
    const system_config none;
    const system_config& asking = options_.servers.empty() ? config : none;  // what is said about its servers
    channel_options made;
    made.servers = options_.servers.empty() ? with_commas(config.servers) : options_.servers;
    if (made.servers.empty()) made.servers = "127.0.0.1";
    const duration patience = options_.query_timeout.value_or(asking.timeout.value_or(std::chrono::seconds(2)));
    made.query_timeout = std::clamp<duration>(patience, std::chrono::milliseconds(1), std::chrono::minutes(1));
    made.tries = std::clamp(options_.tries.value_or(asking.attempts.value_or(3)), 1, 16);
    made.rotate = options_.rotate.value_or(asking.rotate);
    made.use_tcp = options_.use_tcp.value_or(asking.use_tcp);
    made.edns = options_.edns.value_or(asking.edns);
    made.edns_bytes = options_.edns_bytes;
    made.addresses_max = options_.addresses_max;
    made.records = {options_.records_max, options_.record_bytes_max};
    return made;
}

search_rules engine::rules_of(const system_config& config) const {
    search_rules made;
    if (options_.search) made.domains = options_.search_domains ? domains_of(*options_.search_domains) : config.search;
    made.ndots = std::min(options_.ndots.value_or(config.ndots), ndots_max);
    made.tld_query = options_.tld_query.value_or(config.tld_query);
    return made;
}

// What is in flight ends under the old one.
void engine::refresh(time_point now) {
    if (!config_.reload || !config_source_.has_changed(now)) return;
    system_config config = read_config();
    if (config == config_) return;
    try {
        configure(std::move(config));
    } catch (const std::runtime_error& why) {
        log::warn("dns: {} has changed, and cannot be used: {}", options_.resolv_conf, why.what());
        return;
    }
    ++counters_.reloads;
    table_.flush();
}

void engine::flush() noexcept {
    table_.flush();
    hosts_.forget();
}

void engine::reload() {
    configure(read_config());
    ++counters_.reloads;
    flush();
}

task<void> engine::load_hosts(engine& me) {
    bool more = me.hosts_.loading();
    while (more) {
        co_await yield();
        more = me.hosts_.load_more();
    }
}

void engine::go_on_loading() {
    if (hosts_.loading() && tasks_.empty()) tasks_.spawn(load_hosts(*this), "hosts file");
}

// ---- questions

answer_ptr engine::known_here(const std::string& name, const question& what) {
    const time_point now = loop_.now();
    refresh(now);
    // localhost is this machine, whatever the file says
    if (!what.use_hosts || is_localhost_name(name)) return nullptr;
    const bool ipv6 = what.type == record_type::aaaa;
    answer_ptr known = hosts_.find(name, ipv6 ? io::address_family::ipv6 : io::address_family::ipv4, now);
    go_on_loading();
    if (known) ++counters_.local;
    return known;
}

const std::vector<std::string>* engine::names_of(const io::socket_address& address) {
    const std::vector<std::string>* known = hosts_.names_of(address, loop_.now());
    go_on_loading();
    if (known) ++counters_.local;
    return known;
}

// Names that no server is asked for (RFC 6761, RFC 6762 section 22.1, RFC 7686); null: it is none.
answer_ptr engine::special(std::string_view name, record_type type) const {
    if (is_localhost_name(name)) return loopback_answer(type);
    const bool nowhere = is_invalid_name(name) || is_onion_name(name) || (!ask_local_ && is_local_name(name));
    if (!nowhere) return nullptr;
    static const answer_ptr never = make_answer(errc::name_not_found);
    return never;
}

void engine::ask(lookup& who, std::string_view name, record_type type) {
    if (answer_ptr given = special(name, type)) {
        ++counters_.local;
        return who.set(std::move(given));
    }
    name_record* record = table_.find(name, type);
    if (record && record->fresh(loop_.now())) {
        ++counters_.hits;
        if (!record->known()->has_value()) ++counters_.negative_hits;
        return who.set(record->known());
    }
    ++counters_.misses;
    if (record && record->asking()) {
        ++counters_.joined;
        return record->waiters.push_back(who);
    }
    if (table_.asking() >= options_.queries_max) {
        ++counters_.refused;
        static const answer_ptr too_many = make_answer(errc::limit_exceeded);
        return who.set(too_many);
    }
    record = &table_.begin(name, type);
    start(*record);
    if (record->asking()) return record->waiters.push_back(who);
    who.set(record->known());
}

void engine::start(name_record& record) {
    std::erase_if(draining_, [](const auto& one) { return one->in_flight() == 0; });
    ++counters_.queries;
    channel_->ask(record, record.key().name, record.key().type);
}

void engine::on_reply(query& self, reply&& come) noexcept {
    auto& record = static_cast<name_record&>(self);
    static_cast<engine*>(record.owner)->settle(record, std::move(come));
}

void engine::count(const reply& come) noexcept {
    counters_.timeouts += come.timeouts;
    if (come.content) {
        ++counters_.positive;
    } else if (is_negative(come.content.error().code())) {
        ++counters_.negative;
        if (come.content.error() == errc::name_not_found) ++counters_.not_found;
    } else {
        ++counters_.failures;
        if (come.malformed) ++counters_.malformed;
    }
}

void engine::settle(name_record& record, reply&& come) noexcept {
    count(come);
    const time_point now = loop_.now();
    const duration ttl = ttl_of(come);
    const bool failed = !come.content && is_failure(come.content.error().code());
    if (failed && record.known() && record.known()->has_value() &&
        now < saturating_add(record.true_until(), options_.stale_max)) {
        ++counters_.stale;
        return table_.settle_stale(record, now, ttl);
    }
    if (come.content) come.content->since = now;
    table_.settle(record, std::make_shared<const answer>(std::move(come.content)), now, ttl);
}

duration engine::ttl_of(const reply& come) const noexcept {
    const auto within = [](duration value, duration least, duration most) {
        return std::clamp(value, least, std::max(least, most));
    };
    if (come.content) return within(come.content->ttl, options_.ttl_min, options_.ttl_max);
    switch (come.content.error().code()) {
        case errc::name_not_found:
        case errc::name_no_data:
            if (!come.negative_ttl) return options_.negative_ttl;
            return within(*come.negative_ttl, options_.negative_ttl_min, options_.negative_ttl_max);
        case errc::name_server_failed:
        case errc::timed_out: return std::min(options_.failure_ttl, failure_ttl_max);
        default: return duration::zero();  // says nothing about the name
    }
}

resolver_counters engine::counters() const noexcept {
    resolver_counters now = counters_;
    now.evictions = table_.evictions();
    now.entries = table_.entries();
    now.bytes = table_.bytes();
    now.in_flight = table_.asking();
    return now;
}

}  // namespace co_wq::net::dns::detail
