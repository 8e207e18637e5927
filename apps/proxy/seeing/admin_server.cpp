#include "proxy/seeing/admin_server.hpp"

#include "http/byte_buffer.hpp"
#include "http/status.hpp"
#include "proxy/seeing/metrics_page.hpp"
#include "proxy/seeing/tunnel_survey.hpp"
#include "proxy/server.hpp"
#include "proxy/upstream/parent_set.hpp"
#include "sync/deadline.hpp"
#include "sync/sleep.hpp"
#include "sync/with_scope.hpp"
#include "task/yield.hpp"

namespace co_wq::proxy {

using namespace std::chrono_literals;
using http::h1::event;

namespace {

constexpr std::size_t block_bytes = 4 * 1024;
constexpr std::size_t discarded_max = 64 * 1024;

}  // namespace

// One connection.
class admin_server::visitor : public list_hook<visitor> {
public:
    visitor(admin_server& owner, net::tcp_stream& stream) noexcept : owner_(owner), stream_(stream) {}

    task<void> run();
    cancel_scope& scope() noexcept { return scope_; }

private:
    task<bool> read_request(bool first);
    task<bool> fill();
    task<bool> answer_request();
    task<bool> say(std::uint16_t status, std::string_view type, std::string_view body, bool keep);
    task<result<void>> send(const http::byte_buffer& out);
    task<void> linger();
    std::string wrong_with(std::uint16_t& status) const;

    admin_server& owner_;
    net::tcp_stream& stream_;
    io::lease input_;
    http::h1::request_parser request_{{.head_bytes_max = head_bytes_max, .start_line_bytes_max = 1024}};
    cancel_scope scope_;
    bool malformed_ = false;
};

task<bool> admin_server::visitor::fill() {
    input_.reset();
    result<io::lease> got = co_await stream_.recv_lease(block_bytes);
    if (!got || got->empty()) co_return false;
    input_ = std::move(*got);
    co_return true;
}

// True: a whole head was read, or something that is wrong. The first byte may take longer than the rest.
task<bool> admin_server::visitor::read_request(bool first) {
    if (input_.empty()) {
        const duration patience = first ? head_time : idle_time;
        const bool more = co_await with_timeout(patience, fill());
        if (!more) co_return false;
    }
    const time_point deadline = owner_.loop_.now() + head_time;
    for (;;) {
        const http::h1::step step = request_.parse(input_.data());
        input_.consume(step.consumed);
        malformed_ = step.what == event::error;
        if (step.what != event::need_more) co_return true;
        const bool more = co_await with_deadline(deadline, fill());
        if (!more) co_return false;
    }
}

task<void> admin_server::visitor::run() {
    for (bool first = true;; first = false) {
        list_hook<visitor>::unlink();
        owner_.waiting_.push_back(*this);
        const bool there = co_await read_request(first);
        if (!there) co_return;
        list_hook<visitor>::unlink();
        owner_.answered_.push_back(*this);
        const bool goes_on = co_await answer_request();
        if (!goes_on) co_return;
    }
}

// Empty: nothing.
std::string admin_server::visitor::wrong_with(std::uint16_t& status) const {
    const http::h1::request_head& head = request_.head();
    status = 400;
    if (head.framing.kind != http::h1::body_kind::none &&
        !(head.framing.kind == http::h1::body_kind::length && head.framing.length == 0))
        return "a request here has no body";
    if (head.method == http::method::connect || head.target.form == http::target_form::asterisk)
        return "this is not a proxy";
    status = 405;
    if (head.method != http::method::get && head.method != http::method::head) return "GET and HEAD only";
    status = 421;
    if (!owner_.host_is_fine(head)) return "unless with --admin-open, the Host is to be an address or localhost";
    return {};
}

task<bool> admin_server::visitor::answer_request() {
    if (malformed_) {
        const std::string what = std::string(request_.error().reason) + "\n";
        const std::uint16_t status = request_.error().status;
        const bool said = co_await say(status, "text/plain; charset=utf-8", what, false);
        co_return said;
    }
    std::uint16_t status = 0;
    std::string wrong = wrong_with(status);
    if (!wrong.empty()) {
        wrong += '\n';
        const bool said = co_await say(status, "text/plain; charset=utf-8", wrong, false);
        co_return said;
    }
    const http::h1::request_head& head = request_.head();
    std::string path(head.target_text().substr(head.target.path_at));
    path.resize(std::min(path.size(), path.find('?')));
    (void)request_.parse({});  // its end: it has no body
    answer made;
    co_await owner_.answer_path(std::move(path), made);
    const bool said = co_await say(made.status, made.type, made.body, head.keep_alive);
    co_return said;
}

task<bool> admin_server::visitor::say(std::uint16_t status, std::string_view type, std::string_view body, bool keep) {
    http::byte_buffer out;
    out.append("HTTP/1.1 ");
    out.append_decimal(status);
    out.append(" ");
    out.append(http::phrase_of(status));
    out.append("\r\nContent-Type: ");
    out.append(type);
    out.append("\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nContent-Length: ");
    out.append_decimal(body.size());
    if (status == 405) out.append("\r\nAllow: GET, HEAD");
    out.append(keep ? "\r\n\r\n" : "\r\nConnection: close\r\n\r\n");
    if (request_.head().method != http::method::head) out.append(body);
    const result<void> sent = co_await with_timeout(answer_time, send(out));
    if (!sent) stream_.reset();
    if (sent && !keep) co_await linger();
    co_return sent&& keep;
}

task<result<void>> admin_server::visitor::send(const http::byte_buffer& out) {
    const result<void> sent = co_await stream_.send_all(out.data());
    co_return sent;
}

// What is closed with unread input is reset, and the answer may be lost.
task<void> admin_server::visitor::linger() {
    if (!stream_.shutdown_send()) co_return;
    const time_point deadline = owner_.loop_.now() + 1s;
    for (std::size_t discarded = 0; discarded < discarded_max; discarded += input_.size()) {
        const bool more = co_await with_deadline(deadline, fill());
        if (!more) co_return;
    }
}

admin_server::admin_server(server_group& group, io::event_loop& loop, net::tcp_listener listener)
    : group_(group), loop_(loop), listener_(std::move(listener)), visitors_(loop, [](std::exception_ptr, const char*) {
          log::error("admin: a request ended with an exception");
      }) {}

admin_server::~admin_server() = default;

io::socket_address admin_server::address() const noexcept {
    return listener_.local_address().value_or(io::socket_address());
}

// Who has waited longest for its request goes, or else who has been answered longest. Its place is free a turn later.
void admin_server::make_room() noexcept {
    visitor* longest = waiting_.pop_front();
    if (!longest) longest = answered_.pop_front();
    if (longest) longest->scope().cancel();
}

task<void> admin_server::run() {
    for (;;) {
        result<net::tcp_stream> client = co_await listener_.accept();
        if (!client && (client.error() == errc::stopped || client.error() == errc::closed)) co_return;
        if (!client) {
            co_await sleep_for(50ms);
            continue;
        }
        while (visitors_.size() >= connections_max) {
            make_room();
            co_await yield();
        }
        visitors_.spawn(serve(std::move(*client)), "admin request");
    }
}

task<void> admin_server::serve(net::tcp_stream stream) {
    visitor one(*this, stream);
    co_await with_scope(one.scope(), one.run());
}

bool admin_server::host_is_fine(const http::h1::request_head& head) const noexcept {
    if (group_.chosen().seeing.admin_open) return true;
    const http::authority& where = head.authority();
    return where.host.empty() || where.kind != http::host_kind::name || where.host == "localhost";
}

task<void> admin_server::answer_path(std::string path, answer& out) {
    if (path == "/tunnels") {
        co_await survey(out);
    } else if (path == "/metrics") {
        metrics(out);
    } else if (path == "/health") {
        out.body = "ok\n";
    } else if (path == "/ready") {
        out.status = group_.draining() ? 503 : 200;
        out.body = group_.draining() ? "draining\n" : "ready\n";
    } else {
        out.status = 404;
        out.body = "there are /metrics, /health, /ready and /tunnels\n";
    }
}

void admin_server::metrics(answer& out) {
    group_.refresh_figures();
    out.type = metrics_content_type;
    const memory_guard& memory = group_.limiter().memory();
    const auto since_1970 = std::chrono::duration<double>(started_.time_since_epoch());
    const std::shared_ptr<const policy::engine> rules = group_.rules();
    std::vector<process_figures::parent> parents;
    if (const auto& live = rules->chosen().live_parents)
        for (const auto& each : live->all())
            parents.push_back({each->name(), each->up(), each->connections(), each->count().connects,
                               each->count().failures, each->count().checks_failed});
    append_metrics(out.body, group_.seeing(),
                   {.open_connections = group_.connections(),
                    .connections_max = group_.connections_max(),
                    .draining = group_.draining(),
                    .memory_resident_bytes = memory.resident_bytes(),
                    .memory_limit_bytes = memory.ceiling(),
                    .shedding = memory.shedding(),
                    .start_time_s = since_1970.count(),
                    .parents = std::move(parents)});
}

task<void> admin_server::survey(answer& out) {
    const auto tunnels = std::make_shared<tunnel_survey>();
    const std::size_t loops = group_.survey(tunnels);
    co_await with_timeout(loops_wait, tunnels->wait_for(loops));
    out.type = "application/json";
    out.body = tunnels->page(loops);
}

}  // namespace co_wq::proxy
