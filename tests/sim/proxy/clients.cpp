#include <array>

#include "sim/proxy/socks_clients.hpp"
#include "sim/proxy/visitor.hpp"
#include "sync/sleep.hpp"
#include "task/when.hpp"

namespace co_wq::sim::proxy {
namespace {

using answered = visitor::answered;

errand random_errand(world& where, seeded_random& dice) {
    errand what{.id = ++where.next_id};
    what.size = static_cast<std::uint32_t>(dice.one_in(6) ? 20'000 + dice.below(60'000) : dice.below(3'000));
    what.how = static_cast<manner>(dice.below(static_cast<unsigned>(manner::count)));
    if (dice.one_in(3))
        what.upload = 1 + static_cast<std::uint32_t>(dice.one_in(4) ? dice.below(50'000) : dice.below(2'000));
    what.chunked_upload = dice.one_in(2);
    what.head_only = what.upload == 0 && dice.one_in(6);
    return what;
}

std::string random_host(seeded_random& dice) {
    constexpr std::array hosts{"http.test", "10.0.0.1", "twin.test"};
    return hosts[dice.below(hosts.size())];
}

void must_be_well(world& where, const errand& what, answered how) {
    if (!where.calm || where.ending || what.how == manner::broken) return;
    check(how == answered::well, "an exchange failed although nothing was wrong");
}

duration some_pause(seeded_random& dice) {
    return dice.one_in(3) ? duration(std::chrono::microseconds(dice.below(3'000))) : duration::zero();
}

// Says and listens at the same time, as whoever sends much must.
task<std::pair<bool, answered>> converse(visitor& me, std::string text, duration pause, bool half_close) {
    const auto speak = [](visitor& who, std::string all, duration between, bool ends) -> task<bool> {
        const bool sent = co_await say(who.socket(), std::move(all), between);
        if (sent && ends) (void)who.socket().shutdown_send();
        co_return sent;
    };
    auto [sent, how] = co_await when_all(speak(me, std::move(text), pause, half_close), me.next_answer());
    co_return std::pair(sent, how);
}

// One request after the other on one connection; the last may end our direction at once.
task<void> ask_in_turn(world& where, seeded_random dice, unsigned count) {
    visitor me(where);
    const bool there = co_await me.arrive(static_cast<unsigned>(dice.next() >> 60));
    if (!there) co_return;
    for (unsigned number = 0; number < count; ++number) {
        const errand what = random_errand(where, dice);
        const bool last = number + 1 == count;
        const bool half_close = last && dice.one_in(4);
        std::string text = me.ask(what, random_host(dice), last && !half_close && dice.one_in(2));
        const auto [sent, how] = co_await converse(me, std::move(text), some_pause(dice), half_close);
        // an answer may come early and end the connection before everything was said
        if (sent) must_be_well(where, what, how);
        if (how != answered::well || !me.persistent()) co_return;
    }
}

// All at once; answers come in order.
task<void> ask_pipelined(world& where, seeded_random dice) {
    visitor me(where);
    const bool there = co_await me.arrive(static_cast<unsigned>(dice.next() >> 60));
    if (!there) co_return;
    std::string all;
    std::deque<errand> asked;
    for (std::uint64_t count = 2 + dice.below(3); count > 0; --count) {
        errand what{.id = ++where.next_id, .size = static_cast<std::uint32_t>(dice.below(4'000))};
        what.how = dice.one_in(2) ? manner::length : manner::chunked;
        all += me.ask(what, random_host(dice), false);
        asked.push_back(what);
    }
    const bool sent = co_await say(me.socket(), std::move(all), some_pause(dice));
    for (const errand& what : asked) {
        const answered how = co_await me.next_answer();
        if (sent) must_be_well(where, what, how);
        if (how == answered::broken || !me.persistent()) co_return;
    }
}

task<void> speak_into_tunnel(visitor& me, std::uint32_t id, std::size_t from, std::size_t size, seeded_random dice,
                             bool abort) {
    for (std::size_t at = from; at < size;) {
        const std::size_t part = std::min<std::size_t>(size - at, 1 + dice.below(20'000));
        const bool sent = co_await say(me.socket(), text_of(id, at, part), duration::zero());
        if (!sent) co_return;
        at += part;
    }
    if (!abort) {
        (void)me.socket().shutdown_send();
    } else if (dice.one_in(2)) {
        me.socket().reset();
    } else {
        me.socket().close();
    }
}

task<void> hear_from_tunnel(visitor& me, std::string& back) {
    while (me.socket().is_open()) {
        const bool more = co_await hear(me.socket(), back);
        if (!more) co_return;
    }
}

// Bytes go up and come back, the first of them right behind the CONNECT; then our end, the rest, and the other end.
task<void> use_tunnel(world& where, seeded_random dice, bool abort) {
    visitor me(where);
    const bool there = co_await me.arrive(static_cast<unsigned>(dice.next() >> 60));
    if (!there) co_return;
    const std::uint32_t id = ++where.next_id;
    const std::size_t size = dice.one_in(3) ? 100'000 + dice.below(200'000) : 1 + dice.below(5'000);
    const std::size_t early = dice.one_in(2) ? std::min<std::size_t>(size, 1 + dice.below(500)) : 0;
    me.expect_tunnel();
    std::string text = "CONNECT echo.test:443 HTTP/1.1\r\nHost: echo.test:443\r\n\r\n";
    const bool sent = co_await say(me.socket(), text + text_of(id, 0, early), duration::zero());
    const answered how = co_await me.next_answer();
    if (sent) must_be_well(where, {}, how);
    if (!sent || how != answered::well) co_return;
    std::string back = me.take_tunnel();
    const std::size_t said = abort ? early + dice.below(size - early + 1) : size;
    co_await when_all(speak_into_tunnel(me, id, early, said, dice, abort), hear_from_tunnel(me, back));
    if (abort) co_return;
    const std::string tail = "last words";
    for (std::size_t at = 0; at < std::min(back.size(), size); ++at)
        if (back[at] != static_cast<char>(letter(id, at) ^ 0x20))
            fail("a tunnel delivered other bytes: at " + std::to_string(at) + " of " + std::to_string(size) + ", " +
                 std::to_string(back.size()) + " in all, then '" + back.substr(at, 12) + "'");
    check(back.size() <= size + tail.size(), "a tunnel delivered more than was said");
    if (!where.calm || where.ending) co_return;
    check(back.size() == size + tail.size() && back.ends_with(tail), "a tunnel lost its last bytes");
}

task<void> ask_nonsense(world& where, seeded_random dice) {
    static constexpr std::array texts{
        "GET /relative HTTP/1.1\r\nHost: http.test\r\n\r\n",
        "GET http://http.test/nonsense HTTP/1.1\r\nHost: http.test\r\nContent-Length: 3\r\nContent-Length: "
        "4\r\n\r\nabcd",
        "POST http://http.test/nonsense HTTP/1.1\r\nHost: http.test\r\nContent-Length: 3\r\nTransfer-Encoding: "
        "chunked\r\n\r\n0\r\n\r\n",
        "GET http://http.test/nonsense HTTP/1.1\nHost: http.test\n\n",
        "GET http://http.test/nonsense HTTP/1.1\r\nHost : http.test\r\n\r\n",
        "POST http://http.test/nonsense HTTP/1.1\r\nHost: http.test\r\nTransfer-Encoding: "
        "chunked\r\n\r\nfffffffffffffffff\r\n",
        "POST http://http.test/nonsense HTTP/1.1\r\nHost: http.test\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "CONNECT echo.test HTTP/1.1\r\nHost: echo.test\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello",
        "GET http://http.test:80:80/ HTTP/1.1\r\nHost: http.test\r\n\r\n",
        "GET http://http.test/nonsense HTTP/1.1\r\nHost: http.test\r\nA: b\r\n c\r\n\r\n"};
    visitor me(where);
    const bool there = co_await me.arrive(static_cast<unsigned>(dice.next() >> 60));
    if (!there) co_return;
    me.expect_tunnel();
    const bool sent = co_await say(me.socket(), texts[dice.below(texts.size())], some_pause(dice));
    if (sent) (void)me.socket().shutdown_send();
    const answered how = co_await me.next_answer();
    check(how != answered::well, "nonsense was granted");
    if (sent && where.calm && !where.ending) check(how == answered::refused, "nonsense was not answered");
}

// Goes away in the middle of whatever it was saying or hearing.
task<void> go_away(world& where, seeded_random dice) {
    visitor me(where);
    const bool there = co_await me.arrive(static_cast<unsigned>(dice.next() >> 60));
    if (!there) co_return;
    const errand what = random_errand(where, dice);
    std::string text = me.ask(what, random_host(dice), false);
    if (dice.one_in(2)) text.resize(dice.below(text.size() + 1));
    (void)co_await say(me.socket(), std::move(text), some_pause(dice));
    (void)co_await sleep_for(std::chrono::microseconds(dice.below(5'000)));
    if (dice.one_in(2)) {
        std::string some;
        (void)co_await hear(me.socket(), some);
    }
    if (dice.one_in(2)) me.socket().reset();
}

// Names and addresses where nobody is: refused in time.
task<void> ask_nobody(world& where, seeded_random dice) {
    static constexpr std::array hosts{"nobody.test", "fails.test", "mute.test", "10.0.0.1:82", "10.0.0.1:81"};
    visitor me(where);
    const bool there = co_await me.arrive(static_cast<unsigned>(dice.next() >> 60));
    if (!there) co_return;
    errand what{.id = ++where.next_id};
    const time_point began = where.drive.clock().now();
    const bool sent = co_await say(me.socket(), me.ask(what, hosts[dice.below(hosts.size())], false), duration::zero());
    const answered how = co_await me.next_answer();
    check(how != answered::well, "nobody answered well");
    if (sent && where.calm && !where.ending) check(how == answered::refused, "a failed connect was not answered");
    check(where.drive.clock().now() - began < std::chrono::seconds(60), "a refusal took too long");
}

// A head that comes byte by byte, now and then too slowly: then 408 and the end.
task<void> ask_slowly(world& where, seeded_random dice) {
    visitor me(where);
    const bool there = co_await me.arrive(static_cast<unsigned>(dice.next() >> 60));
    if (!there) co_return;
    const errand what{.id = ++where.next_id, .size = 100};
    const std::string text = me.ask(what, "http.test", true);
    const bool too_slow = dice.one_in(3);
    const duration pause = too_slow ? duration(std::chrono::seconds(3)) : duration(std::chrono::microseconds(900));
    bool sent = true;
    for (std::size_t at = 0; at < text.size() && sent; at += 20) {
        sent = co_await say(me.socket(), text.substr(at, 20), duration::zero());
        (void)co_await sleep_for(pause);
    }
    const answered how = co_await me.next_answer();
    check(!too_slow || how != answered::well, "a head may take for ever");
    if (!too_slow && sent) must_be_well(where, what, how);
}

// Takes its time to read a large answer: back-pressure, and all of it arrives.
task<void> read_slowly(world& where, seeded_random dice) {
    visitor me(where);
    const bool there = co_await me.arrive(static_cast<unsigned>(dice.next() >> 60));
    if (!there) co_return;
    const errand what{.id = ++where.next_id, .size = 200'000 + static_cast<std::uint32_t>(dice.below(200'000))};
    const bool sent = co_await say(me.socket(), me.ask(what, "http.test", true), duration::zero());
    (void)co_await sleep_for(std::chrono::seconds(1 + dice.below(20)));
    const answered how = co_await me.next_answer();
    if (sent) must_be_well(where, what, how);
}

constexpr unsigned http_client_kinds = 10;
static_assert(client_kinds == http_client_kinds + socks_client_kinds);

}  // namespace

const char* name_of_client(unsigned kind) noexcept {
    if (kind >= http_client_kinds) return name_of_socks_client(kind - http_client_kinds);
    static constexpr const char* names[http_client_kinds] = {
        "one request", "some requests", "pipelined requests", "tunnel",        "broken-off tunnel",
        "nonsense",    "goes away",     "asks nobody",        "speaks slowly", "reads slowly"};
    return names[kind];
}

task<void> run_client(world& where, unsigned kind, std::uint64_t dice) {
    const seeded_random own(dice);
    switch (kind) {
        case 0: return ask_in_turn(where, own, 1);
        case 1: return ask_in_turn(where, own, 2 + static_cast<unsigned>(dice % 4));
        case 2: return ask_pipelined(where, own);
        case 3: return use_tunnel(where, own, false);
        case 4: return use_tunnel(where, own, true);
        case 5: return ask_nonsense(where, own);
        case 6: return go_away(where, own);
        case 7: return ask_nobody(where, own);
        case 8: return ask_slowly(where, own);
        case 9: return read_slowly(where, own);
        default: return run_socks_client(where, kind - http_client_kinds, dice);
    }
}

}  // namespace co_wq::sim::proxy
