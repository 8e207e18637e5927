// A name server on the test's own loop, on loopback, with scripted answers over UDP and TCP.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "io/socket.hpp"
#include "net/dns/resolver_options.hpp"
#include "task/scope.hpp"

namespace co_wq::net::dns::test {

inline constexpr int type_a = 1, type_cname = 5, type_aaaa = 28;

struct question {
    std::string name;
    int type;
    bool tcp;
};

struct rr {
    std::string owner;  // empty: the name that was asked for
    int type;
    std::uint32_t ttl;
    std::string data;
};
rr a(const std::string& address, std::uint32_t ttl = 300, std::string owner = "");
rr aaaa(const std::string& address, std::uint32_t ttl = 300, std::string owner = "");
rr cname(const std::string& target, std::uint32_t ttl = 300, std::string owner = "");

struct reply {
    std::vector<rr> records{};
    int rcode = 0;
    bool silent = false;
    bool held = false;                               // until release()
    bool truncated = false;                          // over UDP; over TCP never
    int copies = 1;
    std::function<void(std::string& packet)> spoil{};  // changes what is sent
};
inline constexpr int servfail = 2, nxdomain = 3, refused = 5;

class name_server {
public:
    using script = std::function<reply(const question&)>;
    explicit name_server(io::event_loop& loop);
    ~name_server() { tasks_.destroy_all(); }

    // What to answer; by default everything exists and has no addresses.
    void answer(script how) { script_ = std::move(how); }
    // Sends what was held, and holds nothing more.
    void release();

    std::size_t asked() const noexcept { return questions_.size(); }
    const std::vector<question>& questions() const noexcept { return questions_; }
    std::size_t asked(int type, bool tcp = false) const;
    // Until that many questions have come.
    task<void> until_asked(std::size_t count);

    std::string address() const { return address_.text(); }
    // For a resolver that asks this server only, impatiently, and keeps to the TTLs given.
    resolver_options options() const;

private:
    struct held_packet {
        std::string packet;
        std::string to;  // a sockaddr
    };
    static task<void> serve_udp(name_server& me);
    static task<void> serve_tcp(name_server& me);
    static task<void> serve_connection(name_server& me, io::socket from);
    void open();
    reply ask(const std::string& packet, bool tcp);
    std::string build(const std::string& packet, const reply& what, bool tcp) const;
    void send(const std::string& packet, const std::string& to) const;

    io::event_loop& loop_;
    io::socket udp_, tcp_;
    io::socket_address address_;
    script script_;
    std::vector<question> questions_;
    std::vector<held_packet> held_;
    bool released_ = false;
    counting_scope tasks_;
};

}  // namespace co_wq::net::dns::test
