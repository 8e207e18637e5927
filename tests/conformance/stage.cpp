#include "stage.hpp"

#include "support/full_stream.hpp"

namespace co_wq::conformance {

std::vector<std::byte> pattern(std::size_t size) {
    std::vector<std::byte> data(size);
    std::uint32_t x = 1;
    for (auto& one : data) one = static_cast<std::byte>((x = x * 1664525u + 1013904223u) >> 24);
    return data;
}

io::socket stage::new_stream() {
    return {loop, loop.reactor().calls().open_stream(io::address_family::ipv4).value(), io::descriptor_kind::stream};
}

task<void> stage::listens(int backlog) {
    listener = io::test::listen_on_loopback(loop, backlog).value();
    where = *listener.local_address();
    co_return;
}

task<void> stage::connected() {
    io::test::connection pair = co_await io::test::make_connection(loop);
    near.at = std::move(pair.near);
    far.at = std::move(pair.far);
}

task<void> stage::arrived(actor& who, io::direction what) {
    const result<void> came = co_await who.at.ready(what);
    if (!came) log(std::string(who.name) + " never saw it: " + came.error().message());
}

namespace {
task<void> flood(io::socket& to, std::size_t& total) {
    const std::vector<std::byte> block(64 * 1024);
    for (;;) {
        const result<std::size_t> sent = co_await to.send(block);
        if (!sent) co_return;
        total += *sent;
    }
}
}  // namespace

task<void> stage::fills_near() {
    while (!simulated() && !fill_stream(near.at.handle(), far.at.handle())) (void)co_await sleep_for(200us);
    std::size_t total = 0, before = 0;
    counting_scope flooding(loop);
    if (simulated()) flooding.spawn(flood(near.at, total), "flood");
    do {
        before = total;
        for (int i = 0; i < 4; ++i) (void)co_await sleep_for(200us);
    } while (total != before);
    flooding.request_stop();
    co_await flooding.join();
}

task<void> stage::connects(actor& who) {
    who.at = new_stream();
    const result<void> made = co_await who.at.connect(where);
    log(std::string(who.name) + " connects: " + (made ? "ok" : made.error().message()));
}

task<void> stage::accepts(actor& into) {
    result<io::socket> made = co_await listener.accept();
    log(std::string(into.name) + " accepted: " + (made ? "ok" : made.error().message()));
    if (made) into.at = std::move(*made);
}

task<void> stage::sends(actor& who, std::string_view text) {
    const result<void> sent = co_await who.at.send_all(as_bytes(text));
    log(std::string(who.name) + " sends: " + (sent ? "ok" : sent.error().message()));
}

task<void> stage::reads(actor& who, std::size_t count) {
    std::string text;
    std::vector<std::byte> into(count);
    std::string how;
    while (text.size() < count) {
        const result<std::size_t> got = co_await who.at.recv(bytes(into).first(count - text.size()));
        if (!got) how = got.error().message();
        if (got && *got == 0) how = "end";
        if (!how.empty()) break;
        text += as_text(const_bytes(into).first(*got));
    }
    if (!text.empty()) text = "'" + text + "'" + (how.empty() ? "" : ", ");
    log(std::string(who.name) + " reads: " + text + how);
}

task<void> stage::reads_leased(actor& who) {
    std::string text, how;
    while (how.empty()) {
        const result<io::lease> got = co_await who.at.recv_lease(4096);
        if (!got) {
            how = got.error().message();
        } else if (got->empty()) {
            how = "end";
        } else {
            text += as_text(got->data());
        }
    }
    log(std::string(who.name) + " reads leases: '" + text + "', " + how);
}

namespace {
task<std::string> poll_text(io::socket& on, io::direction what) {
    const result<void> came = co_await on.ready(what);
    co_return came ? "yes" : came.error() == errc::timed_out ? "no" : came.error().message();
}
const char* name_of(io::direction what) {
    constexpr const char* names[] = {"readable", "writable", "read end", "hang-up"};
    return names[static_cast<unsigned>(what)];
}
}  // namespace

task<void> stage::polls(actor& who, io::direction what, duration limit) {
    const std::string text = co_await with_timeout(limit, poll_text(who.at, what));
    log(std::string(who.name) + " " + name_of(what) + ": " + text);
}

void stage::shuts(actor& who) {
    const result<void> done = who.at.shutdown_send();
    log(std::string(who.name) + " ends its direction: " + (done ? "ok" : done.error().message()));
}
void stage::closes(actor& who) {
    who.at.close();
    log(std::string(who.name) + " closes");
}
void stage::resets(actor& who) {
    who.at.reset();
    log(std::string(who.name) + " resets");
}

}  // namespace co_wq::conformance
