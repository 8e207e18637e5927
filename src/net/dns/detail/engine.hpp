// engine: where questions are answered: names of this machine, the hosts file, the cache, then c-ares.
//
// Threads:    the loop's own. Lifetime: the resolver's; searches may outlive it (they end with `closed`).
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "base/random.hpp"
#include "net/dns/detail/cares_channel.hpp"
#include "net/dns/detail/config_source.hpp"
#include "net/dns/detail/hosts_file.hpp"
#include "net/dns/detail/name_table.hpp"
#include "net/dns/detail/search.hpp"
#include "net/dns/resolver_options.hpp"

namespace co_wq::net::dns::detail {

class engine {
public:
    engine(io::event_loop& loop, resolver_options options);
    ~engine();

    // For searches. On return `who` is done, or will be called. name: a full one, normalized, without a dot at the end.
    void ask(lookup& who, std::string_view name, record_type type);
    // Names of the hosts file; null: not there. Takes over what has changed in the system's configuration.
    answer_ptr known_here(const std::string& name, const question& what);
    const std::shared_ptr<const search_rules>& rules() const noexcept { return rules_; }
    void take_in(search& one) noexcept { searches_.push_back(one); }

    // Names that the hosts file has for the address; null: none.
    const std::vector<std::string>* names_of(const io::socket_address& address);
    io::event_loop& loop() noexcept { return loop_; }
    seeded_random& random() noexcept { return random_; }

    void flush() noexcept;
    void reload();
    resolver_counters counters() const noexcept;

private:
    static void on_reply(query& self, reply&& come) noexcept;
    static task<void> load_hosts(engine& me);
    void settle(name_record& record, reply&& come) noexcept;
    void count(const reply& come) noexcept;
    duration ttl_of(const reply& come) const noexcept;
    void start(name_record& record);
    answer_ptr special(std::string_view name, record_type type) const;
    void refresh(time_point now);
    system_config read_config();
    void configure(system_config config);
    channel_options options_of(const system_config& config) const;
    search_rules rules_of(const system_config& config) const;
    void go_on_loading();

    io::event_loop& loop_;
    resolver_options options_;
    resolver_counters counters_;
    hosts_file hosts_;
    config_source config_source_{{}};
    system_config config_;
    std::shared_ptr<const search_rules> rules_;
    bool ask_local_ = false;
    seeded_random random_;
    intrusive_list<search> searches_;  // that are not done
    name_table table_;
    std::unique_ptr<cares_channel> channel_;
    std::vector<std::unique_ptr<cares_channel>> draining_;  // of former configurations
    counting_scope tasks_;
};

}  // namespace co_wq::net::dns::detail
