// session_cache: what a client remembers of servers, so that the next handshake is short.
//
// Guarantees: bounded: the least recently used goes first. Of TLS 1.3 a session is given out once (RFC 8446 appendix
//             C.4: an observer must not link connections), of TLS 1.2 as often as it is asked for.
// Threads:    any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <string>
#include <unordered_map>

#include "net/tls/detail/openssl.hpp"

namespace co_wq::net::tls::detail {

class session_cache {
public:
    explicit session_cache(std::size_t sessions_max) noexcept : sessions_max_(sessions_max) {}

    void put(const std::string& key, session_ptr session);
    // Null: nothing that can be used.
    session_ptr take(const std::string& key);
    std::size_t size() const;
    void clear();

private:
    struct entry {
        std::string key;
        session_ptr session;
        std::uint64_t number;  // the higher the newer
    };
    static constexpr std::size_t per_server_max = 4;  // servers send two tickets at a time

    const std::size_t sessions_max_;
    mutable std::mutex lock_;
    std::uint64_t numbers_ = 0;
    std::list<entry> recent_;  // the newest first
    std::unordered_multimap<std::string, std::list<entry>::iterator> by_key_;
};

}  // namespace co_wq::net::tls::detail
