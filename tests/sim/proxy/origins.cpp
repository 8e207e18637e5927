#include <algorithm>
#include <charconv>

#include "fuzz/reference_h1.hpp"
#include "sim/proxy/world.hpp"
#include "sync/sleep.hpp"

namespace co_wq::sim::proxy {

using reference_h1::happening;

std::string path_of(const errand& what) {
    return "/" + std::to_string(what.id) + "/" + std::to_string(what.size) + "/" +
           std::to_string(static_cast<unsigned>(what.how)) + "/" + std::to_string(what.upload);
}

std::optional<errand> errand_of(std::string_view path) {
    std::uint32_t values[4] = {};
    for (std::uint32_t& value : values) {
        if (!path.starts_with('/')) return std::nullopt;
        path.remove_prefix(1);
        const auto [end, failed] = std::from_chars(path.data(), path.data() + path.size(), value);
        if (failed != std::errc{}) return std::nullopt;
        path.remove_prefix(static_cast<std::size_t>(end - path.data()));
    }
    if (!path.empty() || values[2] >= static_cast<unsigned>(manner::count)) return std::nullopt;
    return errand{.id = values[0], .size = values[1], .upload = values[3], .how = static_cast<manner>(values[2])};
}

std::string text_of(std::uint32_t id, std::uint64_t from, std::size_t size) {
    std::string out(size, ' ');
    for (std::size_t i = 0; i < size; ++i) out[i] = letter(id, from + i);
    return out;
}

task<bool> say(io::socket& on, std::string text, duration pause) {
    std::string_view left = text;
    while (!left.empty()) {
        const std::string_view part = pause > duration::zero() ? left.substr(0, 1 + left.size() / 3) : left;
        const result<void> sent = co_await on.send_all(as_bytes(part));
        if (!sent) co_return false;
        left.remove_prefix(part.size());
        if (pause > duration::zero()) (void)co_await sleep_for(pause);
    }
    co_return true;
}

task<bool> hear(io::socket& on, std::string& into) {
    const result<io::lease> got = co_await on.recv_lease(4096);
    if (!got || got->empty()) co_return false;
    into += as_text(got->data());
    co_return true;
}

namespace {

// One connection of a client of ours, which is the proxy.
class http_conversation {
public:
    http_conversation(world& where, io::socket client) : where_(where), client_(std::move(client)) {}

    task<void> run() {
        for (;;) {
            const std::optional<reference_h1::event> next = reader_.next();
            if (!next) {
                std::string arrived;
                if (!client_.is_open()) co_return;
                const bool more = co_await hear(client_, arrived);
                if (!more) co_return;
                reader_.feed(arrived);
                continue;
            }
            const bool goes_on = co_await take(*next);
            if (!goes_on) co_return;
        }
    }

private:
    task<bool> take(const reference_h1::event& next) {
        switch (next.what) {
            case happening::head: {
                begin(next.start);
                if (nonsense_) break;
                if (now_.how != manner::early || answered_) break;
                answered_ = true;
                const bool sent = co_await answer();
                co_return sent;
            }
            case happening::body: take_body(next.bytes); break;
            case happening::end: {
                check(!nonsense_, "nonsense reached an origin");
                check(uploaded_ == now_.upload, "an upload arrived that was not as long as the client's");
                // a request that may be repeated is, once
                check(++where_.executed[now_.id] <= (now_.upload > 0 ? 1u : 2u), "a request was executed too often");
                where_.note("executed", now_.id, static_cast<std::int64_t>(uploaded_));
                if (answered_) break;
                const bool sent = co_await answer();
                co_return sent;
            }
            case happening::refused: fail("an origin got what is no request: " + next.bytes);
            case happening::tunnel: fail("an origin got a tunnel it did not grant");
        }
        co_return true;
    }

    void begin(const reference_h1::head& head) {
        const std::optional<reference_h1::purpose> asked = reference_h1::purpose_of(head);
        check(asked.has_value(), "a request names no host");
        // its head may make sense; the rest must not arrive as a whole
        nonsense_ = asked->path == "/nonsense";
        if (nonsense_) return;
        const std::optional<errand> meant = errand_of(asked->path);
        check(meant.has_value(), "an origin got a path that no client has sent");
        now_ = *meant;
        now_.head_only = head.method == "HEAD";
        uploaded_ = 0;
        answered_ = false;
        for (const reference_h1::field& one : head.fields) {
            std::string name = one.name;
            std::transform(name.begin(), name.end(), name.begin(), [](char c) { return c | 0x20; });
            check(name != "proxy-authorization" && name != "x-hop" && name != "proxy-connection",
                  "a hop-by-hop field reached an origin");
        }
    }

    void take_body(std::string_view bytes) {
        if (nonsense_) return;
        for (const char one : bytes)
            check(one == letter(now_.id + upload_mark, uploaded_++), "an upload arrived with other bytes");
    }

    task<bool> answer() {
        const bool no_body = now_.head_only || now_.how == manner::not_modified;
        const bool chunked = now_.how == manner::chunked || now_.how == manner::slowly;
        std::string out = now_.how == manner::not_modified ? "HTTP/1.1 304 Not Modified\r\n" : "HTTP/1.1 200 OK\r\n";
        out += "X-Id: " + std::to_string(now_.id) + "\r\n";
        const bool ends = now_.how == manner::until_close || now_.how == manner::broken;
        if (ends) out += "Connection: close\r\n";
        if (now_.how == manner::until_close) {
            // nothing says how long it is
        } else if (chunked) {
            out += "Transfer-Encoding: chunked\r\n";
        } else if (now_.how != manner::not_modified) {
            out += "Content-Length: " + std::to_string(now_.size) + "\r\n";
        }
        out += "\r\n";
        if (!no_body) out += body(chunked);
        const duration pause = now_.how == manner::slowly ? std::chrono::milliseconds(40) : duration::zero();
        const bool sent = co_await say(client_, std::move(out), pause);
        if (!sent) client_.reset();  // an end in order would say that this was all
        co_return sent&& now_.how != manner::until_close&& now_.how != manner::broken;
    }

    std::string body(bool chunked) const {
        const std::size_t size = now_.how == manner::broken ? now_.size / 2 : now_.size;
        if (!chunked) return text_of(now_.id, 0, size);
        std::string out;
        for (std::size_t at = 0; at < size;) {
            const std::size_t part = std::min<std::size_t>(size - at, 1 + (at * 7 + now_.id) % 900);
            char length[16];
            const auto end = std::to_chars(length, length + sizeof length, part, 16).ptr;
            out.append(length, end).append("\r\n").append(text_of(now_.id, at, part)).append("\r\n");
            at += part;
        }
        return out + "0\r\n\r\n";
    }

    world& where_;
    io::socket client_;
    reference_h1::reader reader_ = reference_h1::reader::of_requests();
    errand now_;
    std::uint64_t uploaded_ = 0;
    bool answered_ = false;
    bool nonsense_ = false;
};

task<void> talk_http(world& where, io::socket client) {
    http_conversation talk(where, std::move(client));
    co_await talk.run();
}

// Says each byte back in another case; when the other side has ended, it waits a little, says one thing more and ends.
task<void> talk_echo(world& where, io::socket client) {
    for (;;) {
        std::string heard;
        const bool more = co_await hear(client, heard);
        if (!more) break;
        for (char& one : heard) one = static_cast<char>(one ^ 0x20);
        const bool said = co_await say(client, std::move(heard), duration::zero());
        if (!said) co_return;
    }
    where.note("echo ends");
    (void)co_await sleep_for(std::chrono::milliseconds(500));
    (void)co_await say(client, "last words", duration::zero());
}

}  // namespace

task<void> accept_for_ever(world& where, io::socket_address at, std::function<task<void>(io::socket)> talk) {
    io::event_loop& here = where.outside();
    result<io::native_handle> handle = here.reactor().calls().open_listener(at, 64, false);
    check(handle.has_value(), "an origin cannot listen");
    const io::socket listener(here, *handle, io::descriptor_kind::listener);
    for (;;) {
        result<io::socket> client = co_await listener.accept();
        if (client) {
            where.scopes[0]->spawn(talk(std::move(*client)), "origin");
        } else {
            (void)co_await sleep_for(std::chrono::milliseconds(20));
        }
    }
}

task<void> http_origin(world& where, io::socket_address at) {
    return accept_for_ever(where, at, [&where](io::socket client) { return talk_http(where, std::move(client)); });
}

task<void> echo_origin(world& where, io::socket_address at) {
    return accept_for_ever(where, at, [&where](io::socket client) { return talk_echo(where, std::move(client)); });
}

}  // namespace co_wq::sim::proxy
