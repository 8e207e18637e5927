#include "session_world.hpp"

#include "base/log.hpp"
#include "reference_h1.hpp"
#include "sim/proxy/world.hpp"
#include "sync/sleep.hpp"

namespace co_wq::fuzz {
namespace {

using namespace std::chrono_literals;

struct stage {
    sim::proxy::world& world;
    session_script& script;
    session_record& record;
    std::size_t answers_given = 0;
};

// False: nothing more comes.
task<bool> hear(io::socket& on, connection& record) {
    if (record.over) co_return false;
    const result<io::lease> got = co_await on.recv_lease(4096);
    record.over = !got || got->empty();
    record.heard_its_end = got && got->empty();
    if (record.over) co_return false;
    record.heard += as_text(got->data());
    co_return true;
}

// False: our side is over.
task<bool> act(stage& here, io::socket& on, connection& record, const action& what, bool may_wait) {
    switch (what.what) {
        case deed::say: {
            record.said += what.text;
            const result<void> sent = co_await on.send_all(as_bytes(what.text));
            if (sent) co_return true;
            on.reset();  // an end in order would say that this was all
            co_return false;
        }
        case deed::pause: (void)co_await sleep_for(3ms); co_return true;
        case deed::long_pause: (void)co_await sleep_for(2s); co_return true;
        case deed::drain: drain(here.world); co_return true;
        case deed::wait: {
            if (!may_wait) co_return true;
            const bool more = co_await hear(on, record);
            co_return more;
        }
        case deed::end: {
            const result<void> ended = on.shutdown_send();
            record.ended = ended.has_value();
            co_return false;
        }
        case deed::close:
            record.ended = true;
            on.close();
            co_return false;
        case deed::reset: on.reset(); co_return false;
    }
    co_return false;
}

// One connection from the proxy to an origin.
class origin_talk {
public:
    origin_talk(stage& on, io::socket socket, connection& record)
        : stage_(on), socket_(std::move(socket)), record_(record) {}

    task<void> run() {
        while (socket_.is_open()) {
            const std::size_t before = record_.heard.size();
            const bool more = co_await hear(socket_, record_);
            if (!more) break;
            reader_.feed(std::string_view(record_.heard).substr(before));
            while (const std::optional<reference_h1::event> next = reader_.next()) {
                const bool due = is_due(*next);
                if (due && speaks_) co_await answer();
                if (!socket_.is_open()) co_return;
            }
        }
        // our end now says that all was said, as far as it was
        if (socket_.is_open() && speaks_) record_.ended = true;
    }

private:
    bool is_due(const reference_h1::event& next) {
        using reference_h1::happening;
        if (next.what == happening::head || next.what == happening::refused) {
            if (stage_.answers_given < stage_.script.answers.size()) {
                now_ = std::move(stage_.script.answers[stage_.answers_given++]);
            } else {
                now_ = plain_answer(stage_.script.marks);
            }
            return now_.early || next.what == happening::refused;
        }
        return next.what == happening::end && !now_.early;
    }

    task<void> answer() {
        const std::vector<action> saying = std::move(now_.actions);
        for (const action& one : saying) {
            const bool goes_on = co_await act(stage_, socket_, record_, one, false);
            speaks_ = goes_on;
            if (!goes_on) co_return;
        }
    }

    stage& stage_;
    io::socket socket_;
    connection& record_;
    reference_h1::reader reader_ = reference_h1::reader::of_requests();
    part now_;
    bool speaks_ = true;  // may still send
};

task<void> talk_as_origin(stage& on, io::socket socket, unsigned place) {
    connection& record = on.record.origins.emplace_back();
    record.place = place;
    origin_talk talk(on, std::move(socket), record);
    co_await talk.run();
}

task<void> run_client(stage& on, const part& script, connection& record) {
    io::event_loop& here = on.world.outside();
    const result<io::native_handle> handle = here.reactor().calls().open_stream(io::address_family::ipv4);
    if (!handle) co_return;
    io::socket socket(here, *handle, io::descriptor_kind::stream);
    const result<void> connected = co_await socket.connect(on.world.proxy_at(0));
    if (!connected) co_return;
    for (const action& one : script.actions) {
        const bool goes_on = co_await act(on, socket, record, one, true);
        if (!goes_on) break;
    }
    while (socket.is_open()) {
        const bool more = co_await hear(socket, record);
        if (!more) break;
    }
}

}  // namespace

session_record play(session_script script) {
    log::set_level(log::level::off);
    session_record record;
    sim::proxy::world world(script.network);
    stage on{world, script, record};
    world.drive.add_loop("outside");
    world.scopes.push_back(std::make_unique<counting_scope>(world.outside()));
    counting_scope clients(world.outside());
    start_name_server(world);
    world.drive.on(0, [&] {
        for (unsigned place = 0; place < std::size(origin_places); ++place) {
            const auto at =
                io::socket_address::ipv4({10, 0, 0, origin_places[place].last_octet}, origin_places[place].port);
            world.scopes[0]->spawn(accept_for_ever(world, at,
                                                   [&on, place](io::socket client) {
                                                       return talk_as_origin(on, std::move(client), place);
                                                   }),
                                   "origin");
        }
    });
    start_proxy(world, 1);
    world.drive.on(0, [&] {
        for (unsigned which = 0; which < std::size(script.clients); ++which)
            if (!script.clients[which].actions.empty())
                clients.spawn(run_client(on, script.clients[which], record.clients[which]), "client");
    });
    end(world, clients);
    return record;
}

}  // namespace co_wq::fuzz
