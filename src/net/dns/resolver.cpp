#include "net/dns/resolver.hpp"

#include <algorithm>
#include <array>

#include "net/dns/detail/awaited_lookup.hpp"
#include "net/dns/detail/candidates.hpp"
#include "net/dns/detail/decode.hpp"
#include "net/dns/detail/engine.hpp"
#include "net/dns/host_name.hpp"
#include "sync/deadline.hpp"

namespace co_wq::net::dns {
namespace {

using detail::awaited_lookup;

constexpr bool has_end(duration timeout) noexcept { return timeout != duration::max(); }

// Numbers of RFC 6895 section 3.1 that are no questions: 0, OPT, and those from TKEY to MAILA.
constexpr bool is_question(record_type type) noexcept {
    const auto number = static_cast<std::uint16_t>(type);
    return number != 0 && number != 41 && (number < 249 || number > 254);
}

result<void> normalize_query_name(std::string& name) noexcept {
    if (name == ".") return {};
    return normalize_host_name(name);
}

duration left_of(const detail::found& content, time_point now) noexcept {
    return std::max(saturating_add(content.since, content.ttl) - now, duration::zero());
}

// The two questions for a host's addresses.
struct address_lookups {
    awaited_lookup ipv4, ipv6;

    std::array<awaited_lookup*, 2> each() noexcept { return {&ipv6, &ipv4}; }
    void start(detail::engine& engine, const std::string& host, families wanted, bool search) {
        detail::question what{.use_search = search, .both_families = wants_ipv4(wanted) && wants_ipv6(wanted)};
        what.type = record_type::aaaa;
        if (wants_ipv6(wanted)) ipv6.start(engine, host, what);
        what.type = record_type::a;
        if (wants_ipv4(wanted)) ipv4.start(engine, host, what);
    }
    result<address_list> merged(std::uint16_t port, families wanted) const {
        return detail::merge(ipv4.done() ? &ipv4.get() : nullptr, ipv6.done() ? &ipv6.get() : nullptr, port, wanted);
    }
    // The one whose answer has addresses.
    const awaited_lookup* found() const noexcept {
        if (ipv6.done() && ipv6.get()) return &ipv6;
        return ipv4.done() && ipv4.get() ? &ipv4 : nullptr;
    }
};

void fill_names(const awaited_lookup& from, std::string& canonical, std::vector<std::string>& aliases) {
    const detail::found& content = *from.get();
    aliases = from.followed();
    aliases.insert(aliases.end(), content.aliases.begin(), content.aliases.end());
    canonical = content.canonical.empty() ? from.full_name() : content.canonical;
    if (canonical.empty()) canonical = ".";
}

record_set records_of(const awaited_lookup& from, record_type type, time_point now) {
    const detail::found& content = *from.get();
    record_set made;
    fill_names(from, made.canonical, made.aliases);
    made.records = content.records;
    for (const io::socket_address& one : content.addresses) {
        const std::size_t length = type == record_type::a ? 4 : 16;
        made.records.push_back({made.canonical, type, content.ttl,
                                std::string(one.octets().begin(), one.octets().begin() + static_cast<int>(length))});
    }
    made.ttl = left_of(content, now);
    const auto age = std::chrono::duration_cast<std::chrono::seconds>(now - content.since);
    for (record& one : made.records) one.ttl = std::max(one.ttl - age, std::chrono::seconds::zero());
    return made;
}

task<result<addresses>> look_up(detail::engine& engine, std::string host, std::uint16_t port, lookup_options options) {
    const result<io::socket_address> numeric = detail::parse_numeric(host, port, options.wanted);
    if (numeric) {
        addresses one;
        one.list.push_back(*numeric);
        one.canonical = numeric->host();
        co_return one;
    }
    if (numeric.error() != errc::invalid_argument) co_return std::unexpected(numeric.error());
    const result<void> good = normalize_host_name(host);
    if (!good) co_return std::unexpected(good.error());
    address_lookups both;
    both.start(engine, host, options.wanted, options.search);
    const std::array<awaited_lookup*, 2> sides = both.each();
    for (awaited_lookup* one : sides) {
        if (!one->started()) continue;
        const result<void> come = co_await *one;
        if (!come) co_return std::unexpected(come.error());
    }
    result<address_list> list = both.merged(port, options.wanted);
    if (!list) co_return std::unexpected(list.error());
    addresses made;
    made.list = std::move(*list);
    const awaited_lookup& named = *both.found();
    fill_names(named, made.canonical, made.aliases);
    const time_point now = named.now();
    made.ttl = duration::max();
    for (const awaited_lookup* one : sides)
        if (one->done() && one->get()) made.ttl = std::min(made.ttl, left_of(*one->get(), now));
    co_return made;
}

task<result<record_set>> query_records(detail::engine& engine, std::string name, record_type type, bool search) {
    const result<void> good = normalize_query_name(name);
    if (!good || !is_question(type)) co_return fail(errc::invalid_argument);
    awaited_lookup asked;
    asked.start(engine, name, {.type = type, .use_hosts = false, .use_search = search});
    const result<void> come = co_await asked;
    if (!come) co_return std::unexpected(come.error());
    if (!asked.get()) co_return std::unexpected(asked.get().error());
    co_return records_of(asked, type, asked.now());
}

task<result<std::vector<service>>> find_services(detail::engine& engine, std::string name, service_options options) {
    const result<void> good = normalize_host_name(name);
    if (!good) co_return std::unexpected(good.error());
    awaited_lookup asked;
    asked.start(engine, name, {.type = record_type::srv, .use_hosts = false, .use_search = options.search});
    const result<void> come = co_await asked;
    if (!come) co_return std::unexpected(come.error());
    if (!asked.get()) co_return std::unexpected(asked.get().error());
    if (!asked.from()) co_return fail(errc::closed);
    result<std::vector<service>> list = detail::services_of(asked.get()->records, engine.random());
    if (!list || !options.addresses) co_return list;
    std::vector<std::unique_ptr<address_lookups>> targets;  // all asked for at once
    for (const service& one : *list) {
        targets.push_back(std::make_unique<address_lookups>());
        targets.back()->start(engine, one.target, options.wanted, false);
    }
    for (std::size_t i = 0; i < targets.size(); ++i) {
        const std::array<awaited_lookup*, 2> sides = targets[i]->each();
        for (awaited_lookup* one : sides) {
            if (!one->started()) continue;
            const result<void> done = co_await *one;
            if (!done) co_return std::unexpected(done.error());
        }
        service& of = (*list)[i];
        result<address_list> found = targets[i]->merged(of.port, options.wanted);
        if (found) of.addresses = std::move(*found);
        if (!found && found.error() == errc::closed) co_return fail(errc::closed);
    }
    co_return list;
}

task<result<std::vector<mail_exchanger>>> find_exchangers(detail::engine& engine, std::string name, bool search) {
    const result<void> good = normalize_host_name(name);
    if (!good) co_return std::unexpected(good.error());
    awaited_lookup asked;
    asked.start(engine, name, {.type = record_type::mx, .use_hosts = false, .use_search = search});
    const result<void> come = co_await asked;
    if (!come) co_return std::unexpected(come.error());
    if (!asked.get()) co_return std::unexpected(asked.get().error());
    if (!asked.from()) co_return fail(errc::closed);
    co_return detail::exchangers_of(asked.get()->records, engine.random());
}

task<result<std::vector<text_record>>> find_texts(detail::engine& engine, std::string name, bool search) {
    const result<record_set> found = co_await query_records(engine, std::move(name), record_type::txt, search);
    if (!found) co_return std::unexpected(found.error());
    co_return detail::texts_of(found->records);
}

task<result<std::vector<std::string>>> find_names(detail::engine& engine, io::socket_address address) {
    const bool internet = address.family() == io::address_family::ipv4 || address.family() == io::address_family::ipv6;
    if (!internet) co_return fail(errc::invalid_argument);
    address = detail::without_mapping(address);
    const std::vector<std::string>* given = engine.names_of(address);
    if (given) co_return *given;
    if (address.is_loopback()) co_return std::vector<std::string>(1, "localhost");
    const result<record_set> found =
        co_await query_records(engine, detail::name_of_address(address), record_type::ptr, false);
    if (!found) co_return std::unexpected(found.error());
    co_return detail::pointers_of(found->records);
}

// The work itself, or below a deadline of its own. Both are tasks, so that neither starts before it is awaited.
template <class T>
task<T> bounded(duration timeout, task<T> work) {
    co_return co_await with_timeout(timeout, std::move(work));
}
template <class T>
task<T> within(duration timeout, task<T> work) {
    return has_end(timeout) ? bounded(timeout, std::move(work)) : std::move(work);
}

}  // namespace

resolver::resolver(io::event_loop& loop, resolver_options options)
    : engine_(std::make_unique<detail::engine>(loop, std::move(options))) {}

resolver::~resolver() = default;

void resolver::flush() noexcept { engine_->flush(); }
void resolver::reload() { engine_->reload(); }
resolver_counters resolver::counters() const noexcept { return engine_->counters(); }

task<result<address_list>> resolver::resolve(std::string host, std::uint16_t port, families wanted) {
    const result<io::socket_address> numeric = detail::parse_numeric(host, port, wanted);
    if (numeric) co_return address_list{*numeric};
    if (numeric.error() != errc::invalid_argument) co_return std::unexpected(numeric.error());
    const result<void> good = normalize_host_name(host);
    if (!good) co_return std::unexpected(good.error());
    address_lookups both;
    both.start(*engine_, host, wanted, true);
    if (wants_ipv6(wanted)) {
        const result<void> come = co_await both.ipv6;
        if (!come) co_return std::unexpected(come.error());
    }
    if (wants_ipv4(wanted)) {
        const result<void> come = co_await both.ipv4;
        if (!come) co_return std::unexpected(come.error());
    }
    co_return both.merged(port, wanted);
}

task<result<addresses>> resolver::lookup(std::string host, std::uint16_t port, lookup_options options) {
    return within(options.timeout, look_up(*engine_, std::move(host), port, options));
}
task<result<record_set>> resolver::query(std::string name, record_type type, query_options options) {
    return within(options.timeout, query_records(*engine_, std::move(name), type, options.search));
}
task<result<std::vector<service>>> resolver::services(std::string name, service_options options) {
    return within(options.timeout, find_services(*engine_, std::move(name), options));
}
task<result<std::vector<mail_exchanger>>> resolver::mail_exchangers(std::string name, query_options options) {
    return within(options.timeout, find_exchangers(*engine_, std::move(name), options.search));
}
task<result<std::vector<text_record>>> resolver::texts(std::string name, query_options options) {
    return within(options.timeout, find_texts(*engine_, std::move(name), options.search));
}
task<result<std::vector<std::string>>> resolver::reverse(io::socket_address address, query_options options) {
    return within(options.timeout, find_names(*engine_, address));
}

}  // namespace co_wq::net::dns
