// tls_doors: what the listeners that speak TLS show, and whom they let in.
//
// For:        server_group: read at the start, and again for each reload; sessions take theirs by the listener's place.
// Guarantees: a reload changes all or nothing. Handshakes that begin afterwards see the new; what runs goes on. A
//             listener that speaks TLS never takes anything else, nor the other way round.
// Files:      read() and of() read them, and check what they hold: at the start, or on a thread of their own.
// Threads:    read(): any. The contexts: any. open() and take() before the loops, or on the first.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "net/tls/certificate.hpp"
#include "net/tls/server_context.hpp"
#include "proxy/policy/settings.hpp"

namespace co_wq::proxy {

// What is wrong with a listener's files, and with which one: "certificate", "key" or "client_ca".
struct tls_problem {
    std::string key;
    std::string what;
};

// The options of one listener's context; problem: they are of no use.
struct tls_read {
    std::string listener{};  // its name
    net::tls::server_options options{};
    std::optional<tls_problem> problem{};
};
tls_read read_tls(const policy::listener& one);
// Those of all listeners that speak TLS.
std::vector<tls_read> read_tls(const std::vector<policy::listener>& all);

class tls_doors {
public:
    // What is wrong, in words; "": nothing.
    std::string open(const std::vector<policy::listener>& all);
    // Whether these can take the place of what is in use, in words as before. A listener that has TLS keeps it, with
    // other files, say.
    std::string check(const std::vector<tls_read>& now) const;
    // What was checked.
    void reload(std::vector<tls_read> now);

    // Of the listener at this place; null: it speaks no TLS.
    const net::tls::server_context* at(std::size_t place) const noexcept {
        return place < contexts_.size() && contexts_[place] ? &*contexts_[place] : nullptr;
    }

private:
    std::vector<std::string> names_;
    std::vector<std::optional<net::tls::server_context>> contexts_;  // by the listener's place
};

}  // namespace co_wq::proxy
