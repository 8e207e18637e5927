// The row of what waits for a name.
#include "../dns/world.hpp"
#include "io/reactors.hpp"
#include "rows.hpp"

namespace co_wq::contract {
namespace {

using net::dns::test::question;

class naming : public subject {
public:
    explicit naming(const setting& where) : subject(where), time_(where.loop), server_(where.loop) {
        server_.answer(where.at == cell::error ? &no_such_name : &held_address);
        names_ = std::make_unique<net::dns::resolver>(loop, server_.options());
    }
    task<void> set_up() override {
        if (at != cell::ready) co_return;
        server_.release();
        const std::string known = co_await wait();
        if (known != "ok 192.0.2.1:80") throw std::logic_error("the name is not in the cache: " + known);
    }
    task<std::string> wait() override {
        co_return known(co_await names_->resolve("held.example", 80, net::dns::families::ipv4_only));
    }
    task<void> complete() override {
        co_await server_.until_asked(1);
        server_.release();
    }
    task<void> fail() override { return complete(); }
    void destroy_owner() override { names_.reset(); }
    std::size_t other_files() const override { return 0; }

private:
    static std::string known(const result<net::dns::address_list>& found) {
        return (found ? "ok " : "") + net::dns::test::text_of(found);
    }
    static net::dns::test::reply held_address(const question&) {
        net::dns::test::reply one{.records = {net::dns::test::a("192.0.2.1")}};
        one.held = true;
        return one;
    }
    static net::dns::test::reply no_such_name(const question&) {
        net::dns::test::reply none{.rcode = net::dns::test::nxdomain};
        none.held = true;
        return none;
    }

    net::dns::test::time_of_loop time_;
    net::dns::test::name_server server_;
    std::unique_ptr<net::dns::resolver> names_;
};

constexpr plan naming_plan{.complete = ends("ok 192.0.2.1:80"),
                           .ready = at_once("ok 192.0.2.1:80"),
                           .error = ends("name not found"),
                           .cancel = stopped,
                           .completing = ends("ok 192.0.2.1:80|stopped"),
                           .timeout = timed_out,
                           .owner_closed = none("a resolver is destroyed, not closed"),
                           .owner_destroyed = ends("closed"),
                           .frame_destroyed = gone(),
                           .scope_cancelled = stopped,
                           .runtime_stopping = stopped,
                           .runtime_destroyed = gone()};

}  // namespace

std::vector<variant> net_dns_awaited_lookup_rows() { return {{"name lookup", &make<naming>, naming_plan}}; }

}  // namespace co_wq::contract
