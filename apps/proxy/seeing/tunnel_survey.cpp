#include "proxy/seeing/tunnel_survey.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "proxy/seeing/escape.hpp"

namespace co_wq::proxy {

void append_tunnel(std::string& out, const live_tunnel& one, std::uint32_t loop, time_point now) {
    const request_note& note = one.note();
    const request_words words = one.words();
    const auto text = [&](std::string_view key, std::string_view value) {
        out += key;
        append_json_string(out, value);
    };
    out += "{\"start\":\"";
    append_time(out, note.when);
    out += fmt::format("\",\"id\":\"{}-{}-{}\"", loop, words.connection, note.number);
    text(",\"client\":", words.client);
    text(",\"user\":", note.user);
    text(",\"protocol\":", words.protocol);
    text(",\"method\":", words.method);
    text(",\"target\":", loggable_target(words.target, {.well_formed = true}));
    text(",\"rule\":", note.rule);
    text(",\"upstream\":", note.upstream);
    out += ",\"age_ms\":";
    append_milliseconds(out, now - note.began);
    out += ",\"idle_ms\":";
    append_milliseconds(out, now - one.touched());
    out += fmt::format(",\"bytes_up\":{},\"bytes_down\":{}}}", one.progress().bytes_forth, one.progress().bytes_back);
}

void tunnel_survey::add(loop_seeing* from) {
    if (from) add_tunnels(*from);
    answered_.fetch_add(1);
    changed_.set();
}

void tunnel_survey::add_tunnels(loop_seeing& from) {
    const std::size_t tunnels = from.figures().tunnels_current.get();
    std::size_t room = 0;
    {
        const std::scoped_lock guard(lock_);
        room = std::min(tunnels, shown_max - promised_);
        promised_ += room;
    }
    std::string text;
    const time_point now = from.loop().now();
    live_tunnel* one = from.tunnels().first();
    for (std::size_t count = 0; count < room; ++count, one = from.tunnels().after(*one)) {
        if (count > 0) text += ",\n";
        append_tunnel(text, *one, from.index(), now);
    }
    const std::scoped_lock guard(lock_);
    tunnels_ += tunnels;
    if (room == 0) return;
    if (shown_ > 0) text_ += ",\n";
    text_ += text;
    shown_ += room;
}

task<void> tunnel_survey::wait_for(std::size_t loops) {
    for (;;) {
        changed_.reset();
        if (answered_.load() >= loops) co_return;
        const result<void> waited = co_await changed_.wait();
        if (!waited) co_return;
    }
}

std::string tunnel_survey::page(std::size_t loops) {
    const std::scoped_lock guard(lock_);
    return fmt::format("{{\"total\":{},\"shown\":{},\"complete\":{},\"tunnels\":[\n{}\n]}}\n", tunnels_, shown_,
                       answered_.load() >= loops && shown_ == tunnels_, text_);
}

}  // namespace co_wq::proxy
