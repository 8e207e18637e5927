// Relay: slow_relay PORT BYTES_PER_SECOND. Whoever comes is connected to that port of this machine, and each direction
// of each connection has that pace. Shows the pump and its pacer. Ends with the process.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "net/pump.hpp"
#include "net/tcp.hpp"

using namespace co_wq;

class steady final : public net::pacer {
public:
    explicit steady(std::size_t per_second) noexcept : per_second_(per_second) {}
    std::size_t piece_max() const noexcept override { return std::max<std::size_t>(1, per_second_ / 20); }
    duration took(bool forth, std::size_t size, time_point now) noexcept override {
        time_point& paid = forth ? paid_forth_ : paid_back_;  // when all that was taken is paid for
        paid = std::max(paid, now) + std::chrono::nanoseconds(size * 1'000'000'000 / per_second_);
        return paid - now;
    }

private:
    const std::size_t per_second_;
    time_point paid_forth_{}, paid_back_{};
};

task<void> relay(net::tcp_stream client, std::uint16_t port, std::size_t per_second) {
    result<net::tcp_stream> origin =
        co_await net::tcp_stream::connect(client.loop(), io::socket_address::loopback(port));
    if (!origin) co_return;
    steady pace(per_second);
    net::pump_options how;
    how.pace = &pace;
    (void)co_await net::pump(client, *origin, how);
}

task<void> serve(io::event_loop& loop, net::tcp_listener listener, std::uint16_t port, std::size_t per_second) {
    for (;;) {
        result<net::tcp_stream> client = co_await listener.accept();
        if (client) loop.spawn(relay(std::move(*client), port, per_second), "relay");
    }
}

int main(int count, char** words) {
    if (count != 3 || std::atoi(words[1]) <= 0 || std::atoi(words[2]) <= 0) return 2;
    io::event_loop loop;
    auto listener = net::tcp_listener::bind(loop, io::socket_address::loopback(0));
    std::printf("relay on %s\n", listener->local_address()->text().c_str());
    std::fflush(stdout);
    loop.run(serve(loop, std::move(*listener), static_cast<std::uint16_t>(std::atoi(words[1])),
                   static_cast<std::size_t>(std::atoi(words[2]))));
}
