// engine: where questions are answered: names of this machine, the hosts file, the cache, then c-ares.
//
// Threads:    the loop's own. Lifetime: the resolver's; lookups may outlive it (they end with `closed`).
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "net/dns/detail/cares_channel.hpp"
#include "net/dns/detail/hosts_file.hpp"
#include "net/dns/detail/name_table.hpp"

namespace co_wq::net::dns::detail {

class engine {
public:
    engine(io::event_loop& loop, resolver_options options);

    // On return `who` is done, or will be called. name is normalized and outlives the lookup.
    void ask(lookup& who, const std::string& name, io::address_family family);

    void flush() noexcept;
    void reload();
    resolver_counters counters() const noexcept;

private:
    static void on_reply(query& self, reply&& come) noexcept;
    void settle(name_record& record, reply&& come) noexcept;
    duration ttl_of(const reply& come) const noexcept;
    void start(name_record& record);

    io::event_loop& loop_;
    resolver_options options_;
    resolver_counters counters_;
    hosts_file hosts_;
    name_table table_;
    std::unique_ptr<cares_channel> channel_;
    std::vector<std::unique_ptr<cares_channel>> draining_;  // of former configurations
};

}  // namespace co_wq::net::dns::detail
