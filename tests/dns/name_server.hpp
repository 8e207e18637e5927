// A name server on the test's own loop, real or simulated, on loopback, with scripted answers over UDP and TCP.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "io/socket.hpp"
#include "net/dns/records.hpp"
#include "net/dns/resolver_options.hpp"
#include "net/udp.hpp"
#include "task/scope.hpp"

namespace co_wq::net::dns::test {

inline constexpr int type_a = 1, type_ns = 2, type_cname = 5, type_soa = 6, type_ptr = 12, type_mx = 15, type_txt = 16,
                     type_aaaa = 28, type_srv = 33;

struct question {
    std::string name;
    int type;
    bool tcp;
    int edns_bytes = 0;  // 0: the query has no OPT record
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

rr srv(int priority, int weight, int port, const std::string& target, std::uint32_t ttl = 300);
rr mx(int preference, const std::string& host, std::uint32_t ttl = 300);
rr ptr(const std::string& target, std::uint32_t ttl = 300, std::string owner = "");
rr txt(const std::vector<std::string>& parts, std::uint32_t ttl = 300);
rr ns(const std::string& target, std::string owner);
// What a zone says about names that it does not have.
rr soa(std::uint32_t minimum, std::uint32_t ttl = 3600, std::string owner = "example");
// A name as on the wire.
std::string encoded(const std::string& name);
std::string number(std::uint32_t value, int octets);

struct reply {
    std::vector<rr> records{};
    std::vector<rr> authority{};
    int rcode = 0;
    bool silent = false;
    bool held = false;                               // until release()
    bool truncated = false;                          // over UDP; over TCP never
    bool from_elsewhere = false;                     // over UDP: from another port
    bool authoritative = false;
    bool recursive = true;                           // asks others
    int copies = 1;
    std::function<void(std::string& packet)> spoil{};  // changes what is sent
};
inline constexpr int formerr = 1, servfail = 2, nxdomain = 3, refused = 5;

class name_server {
public:
    using script = std::function<reply(const question&)>;
    // port 0: the system chooses.
    explicit name_server(io::event_loop& loop, std::uint16_t port = 0);
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
        io::socket_address to;
    };
    static task<void> serve_udp(name_server& me);
    static task<void> serve_tcp(name_server& me);
    static task<void> serve_connection(name_server& me, io::socket from);
    void open(std::uint16_t port);
    reply ask(const std::string& packet, bool tcp);
    std::string build(const std::string& packet, const reply& what, bool tcp) const;
    static task<void> send_all(name_server& me, std::vector<held_packet> all);

    io::event_loop& loop_;
    udp_socket udp_, elsewhere_;
    io::socket tcp_;
    io::socket_address address_;
    script script_;
    std::vector<question> questions_;
    std::vector<held_packet> held_;
    bool released_ = false;
    counting_scope tasks_;
};

}  // namespace co_wq::net::dns::test
