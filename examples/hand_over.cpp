// One task hands an open connection to another over a local socket, as a supervisor does to its workers. Shows paths,
// the peer's identity, open files.
#include <cstdio>
#include <string>

#include "net/local.hpp"
#include "net/tcp.hpp"

using namespace co_wq;

// Accepts over TCP, and passes on whom it got.
task<void> supervise(io::event_loop& loop, const net::tcp_listener& door, io::socket_address workers) {
    result<net::tcp_stream> client = co_await door.accept();
    const result<net::local_stream> worker = co_await net::local_stream::connect(loop, workers);
    if (!client || !worker) co_return;
    const std::array<io::native_handle, 1> given{client->socket().handle()};
    const result<void> sent = co_await worker->send_all_with_files(as_bytes("serve it"), given);
    if (!sent) std::fprintf(stderr, "hand over: %s\n", sent.error().message().c_str());
}

task<void> work(io::event_loop& loop, const net::local_listener& orders) {
    const result<net::local_stream> supervisor = co_await orders.accept();
    if (!supervisor) co_return;
    if (const auto who = supervisor->peer()) std::printf("orders from process %d\n", who->process);
    std::byte words[64];
    std::array<io::file_handle, 1> files;
    const result<io::received_files> got = co_await supervisor->recv_with_files(words, files);
    if (!got || got->files != 1) co_return;
    const net::tcp_stream client(io::socket(loop, files[0].release(), io::descriptor_kind::stream));
    const result<void> sent = co_await client.send_all(as_bytes("hello from the worker\n"));
    if (!sent) std::fprintf(stderr, "send: %s\n", sent.error().message().c_str());
}

task<void> ask(io::event_loop& loop, io::socket_address where) {
    const result<net::tcp_stream> made = co_await net::tcp_stream::connect(loop, where);
    if (!made) co_return;
    std::byte room[64];
    const result<std::size_t> got = co_await made->recv(room);
    if (got) std::printf("%s", std::string(as_text(const_bytes(room).first(*got))).c_str());
}

task<int> run(io::event_loop& loop) {
    const auto door = net::tcp_listener::bind(loop, io::socket_address::loopback(0));
    if (!door) co_return 1;
    const std::string name = "co_wq hand over " + std::to_string(door->local_address()->port());
    const auto orders = net::local_listener::bind(loop, *io::socket_address::local_abstract(name));
    if (!orders) co_return 1;
    counting_scope all(loop);
    all.spawn(work(loop, *orders), "worker");
    all.spawn(supervise(loop, *door, *orders->local_address()), "supervisor");
    all.spawn(ask(loop, *door->local_address()), "client");
    co_await all.join();
    co_return 0;
}

int main() {
    io::event_loop loop;
    return loop.run(run(loop));
}
