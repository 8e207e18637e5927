// SOCKS clients of the proxy scenario, and what they are made of.
#pragma once

#include "net/udp.hpp"
#include "sim/proxy/world.hpp"

namespace co_wq::sim::proxy {

inline constexpr std::uint16_t udp_port = 7;  // where datagrams come back from

inline constexpr unsigned socks_client_kinds = 4;
const char* name_of_socks_client(unsigned kind) noexcept;
task<void> run_socks_client(world& where, unsigned kind, std::uint64_t dice);

void start_datagram_echo(world& where);

// host: a name, or 10.0.0.x.
std::string socks5_request(int command, std::string_view host, std::uint16_t port, bool as_name);
std::string socks4_request(std::string_view host, std::uint16_t port);
task<result<io::received>> receive(net::udp_socket& on, bytes into);

struct socks_visitor {
    world& where;
    io::socket socket{};
    std::string heard{};  // behind the answer, once it is there
    io::socket_address bound{};
    int code = -1;

    // False: no connection.
    task<bool> arrive(unsigned door);
    task<bool> hear_at_least(std::size_t size);
    // The reply's code (of version 4: 0 or 1); -1: none came. at_once: without waiting for the method.
    task<int> ask(int version, std::string request, duration pause, bool at_once);
    task<bool> hear_answer(int version);
};

}  // namespace co_wq::sim::proxy
