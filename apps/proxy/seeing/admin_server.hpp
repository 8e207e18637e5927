// admin_server: a small HTTP server that shows the proxy's state: /metrics, /health, /ready, /tunnels.
//
// For:        monitoring. Runs on one of the proxy's loops, until the last of them has ended.
// Guarantees: answers GET and HEAD only, never waits for another loop (but /tunnels, for loops_wait at most), and is
//             bounded: connections_max of them, a head of head_bytes_max within head_time, an answer taken within
//             answer_time. When all places are taken, who has waited longest for its request gives way, or else who
//             has been answered longest, so that slow clients keep nobody out. Unless the listener is open to others, a
//             Host that is a name other than "localhost" is refused (421): web pages elsewhere may make a browser ask,
//             but not read the answer.
// Threads:    the loop's own. Lifetime: dies before its loop, and group does not die before.
#pragma once

#include <string>

#include "base/intrusive_list.hpp"
#include "http/h1/request_parser.hpp"
#include "net/tcp.hpp"
#include "task/scope.hpp"

namespace co_wq::proxy {

class server_group;

class admin_server {
public:
    static constexpr std::size_t connections_max = 32;
    static constexpr std::size_t head_bytes_max = 8 * 1024;
    static constexpr duration head_time = std::chrono::seconds(5);
    static constexpr duration idle_time = std::chrono::seconds(120);  // between requests: longer than scrapes are apart
    static constexpr duration answer_time = std::chrono::seconds(10);
    static constexpr duration loops_wait = std::chrono::seconds(1);

    admin_server(server_group& group, io::event_loop& loop, net::tcp_listener listener);
    ~admin_server();

    // Until the listener fails, or its task is ended.
    task<void> run();
    // Takes no new visitors: another process has the socket, too.
    void stop() noexcept { listener_.stop(); }
    io::socket_address address() const noexcept;

private:
    class visitor;
    struct answer {
        std::uint16_t status = 200;
        std::string_view type = "text/plain; charset=utf-8";
        std::string body{};
    };
    task<void> serve(net::tcp_stream stream);
    task<void> answer_path(std::string path, answer& out);
    task<void> survey(answer& out);
    bool host_is_fine(const http::h1::request_head& head) const noexcept;
    void metrics(answer& out);
    void make_room() noexcept;

    server_group& group_;
    io::event_loop& loop_;
    net::tcp_listener listener_;
    const std::chrono::system_clock::time_point started_ = std::chrono::system_clock::now();
    intrusive_list<visitor> waiting_;  // for a request, longest first
    intrusive_list<visitor> answered_;  // now
    counting_scope visitors_;
};

}  // namespace co_wq::proxy
