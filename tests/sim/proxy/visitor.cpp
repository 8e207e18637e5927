#include "sim/proxy/visitor.hpp"

#include <algorithm>

#include "sync/sleep.hpp"

namespace co_wq::sim::proxy {

using reference_h1::happening;

task<bool> visitor::arrive(unsigned door) {
    io::event_loop& here = where_.outside();
    for (int tries = 0; tries < 20; ++tries) {
        result<io::native_handle> handle = here.reactor().calls().open_stream(io::address_family::ipv4);
        if (handle) {
            socket_ = io::socket(here, *handle, io::descriptor_kind::stream);
            const result<void> connected = co_await socket_.connect(where_.proxy_at(door));
            if (connected) co_return true;
            socket_.close();
            co_return false;
        }
        (void)co_await sleep_for(std::chrono::milliseconds(10));
    }
    co_return false;
}

std::string visitor::ask(const errand& what, std::string_view host, bool last) {
    asked_.push_back(what);
    const std::string method = what.head_only ? "HEAD" : what.upload > 0 ? "POST" : "GET";
    reader_.expect(method);
    std::string out = method + " http://" + std::string(host) + path_of(what) +
                      " HTTP/1.1\r\nHost: " + std::string(host) +
                      "\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic eDp5\r\nX-Hop: 1\r\n";
    out += last ? "Connection: close, X-Hop\r\n" : "Connection: X-Hop\r\n";
    if (what.upload == 0) return out + "\r\n";
    const std::string text = text_of(what.id + upload_mark, 0, what.upload);
    if (!what.chunked_upload) return out + "Content-Length: " + std::to_string(what.upload) + "\r\n\r\n" + text;
    out += "Transfer-Encoding: chunked\r\n\r\n";
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t part = std::min<std::size_t>(text.size() - at, 1 + (at + what.id) % 700);
        char length[16];
        std::snprintf(length, sizeof length, "%zX\r\n", part);
        out.append(length).append(text, at, part).append("\r\n");
        at += part;
    }
    return out + "0\r\n\r\n";
}

void visitor::expect_tunnel() {
    reader_.expect("CONNECT");
    asked_.push_back({});
}

task<visitor::answered> visitor::next_answer() {
    received_ = 0;
    ours_ = over_ = false;
    for (;;) {
        while (std::optional<reference_h1::event> next = reader_.next()) {
            if (next->what == happening::refused) co_return settle(answered::broken);
            if (take(*next)) co_return settle(ours_ ? answered::refused : answered::well);
        }
        std::string arrived;
        const bool more = co_await hear(socket_, arrived);
        if (more) {
            reader_.feed(arrived);
        } else if (!std::exchange(over_, true)) {
            reader_.close();
        } else {
            co_return settle(answered::broken);
        }
    }
}

// True: an answer is over.
bool visitor::take(const reference_h1::event& next) {
    switch (next.what) {
        case happening::head: {
            interim_ = next.start.status < 200;
            if (interim_) return false;
            const auto id = std::find_if(next.start.fields.begin(), next.start.fields.end(),
                                         [](const reference_h1::field& one) { return one.name == "X-Id"; });
            where_.note("status", next.start.status, static_cast<std::int64_t>(next.start.length));
            persistent_ = next.start.persistent;
            granted_ = next.start.status == 200 && next.start.asked == "CONNECT";
            ours_ = id == next.start.fields.end() && !granted_;
            check(!ours_ || next.start.status >= 400, "an answer that is neither an origin's nor a refusal");
            if (ours_ || granted_) return false;
            const std::string asked = asked_.empty() ? "nothing" : std::to_string(asked_.front().id);
            if (id->value != asked) fail("the answer to " + id->value + " was given to " + asked);
            return false;
        }
        case happening::body:
            if (ours_) return false;
            for (const char one : next.bytes)
                check(one == letter(asked_.front().id, received_++), "an answer arrived with other bytes");
            return false;
        case happening::end: {
            if (interim_) return false;
            const errand& what = asked_.front();
            const bool no_body = what.head_only || what.how == manner::not_modified;
            if (!ours_ && !granted_ && !no_body && received_ != what.size)
                fail("an answer that is not whole looks whole: " + std::to_string(received_) + " of " +
                     std::to_string(what.size) + " bytes, manner " + std::to_string(static_cast<unsigned>(what.how)));
            return true;
        }
        case happening::tunnel: tunnel_ += next.bytes; return false;
        case happening::refused: break;
    }
    return false;
}

std::string visitor::take_tunnel() {
    while (std::optional<reference_h1::event> next = reader_.next()) {
        check(next->what == happening::tunnel, "a tunnel that speaks HTTP");
        tunnel_ += next->bytes;
    }
    return std::move(tunnel_);
}

// In a calm world there is no excuse.
visitor::answered visitor::settle(answered how) {
    const errand what = asked_.empty() ? errand{} : asked_.front();
    if (!asked_.empty()) asked_.pop_front();
    where_.note("answered", what.id, static_cast<int>(how));
    if (where_.calm && !where_.ending) {
        if (what.how == manner::broken && what.size > 1 && !what.head_only)
            check(how != answered::well, "an answer that broke off arrived whole");
    }
    return how;
}

}  // namespace co_wq::sim::proxy
