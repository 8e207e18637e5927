// What clients and servers choose alike.
#pragma once

#include <cstdint>

namespace co_wq::net::tls {

// Over datagrams (DTLS) there is 1.2 only, whatever is asked for.
enum class version : std::uint8_t { tls_1_2, tls_1_3 };

enum class transport : std::uint8_t { streams, datagrams };

}  // namespace co_wq::net::tls
