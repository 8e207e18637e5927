// credential_checker: users' passwords, checked away from the loops and remembered for a while.
//
// For:        Proxy-Authorization: Basic, and SOCKS user/password.
// Guarantees: the hash is computed on threads of its own, at most waiting_max at a time, queued ones counted, and
//             waiting_per_client_max of one client address (IPv6: of one /64), so that no client takes all places. A
// password
//             that was right is remembered for remembered_for as a keyed hash of user, password and stored hash: at
//             most remembered_max of them, the one that runs out first goes first; a changed file forgets by itself.
//             Wrong ones are not remembered. An unknown user takes as long as a known one.
// Errors:     limit_exceeded: too many are waiting, or too many of this client; say 503, not 407.
// Threads:    any loop. Lifetime: outlives the tasks of check; no loop runs any more when it dies.
// Source:     RFC 7617 (Basic).
//
//   const std::optional<login> who = parse_basic(field);
//   const result<bool> known = co_await checker.check(rules, client, who->user, who->password, loop.now());
#pragma once

#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "base/clock.hpp"
#include "proxy/policy/engine.hpp"
#include "proxy/policy/siphash.hpp"
#include "task/task.hpp"
#include "task/thread_pool.hpp"

namespace co_wq::proxy::policy {

struct login {
    std::string user;
    std::string password;
};

// The value of a Proxy-Authorization field; nothing: not Basic, or broken. Password: without NUL, password_max at most.
std::optional<login> parse_basic(std::string_view field);

class credential_checker {
public:
    struct options {
        unsigned threads = 2;
        unsigned waiting_max = 256;
        unsigned waiting_per_client_max = 64;
        duration remembered_for = std::chrono::minutes(5);
        std::size_t remembered_max = 4096;
    };

    credential_checker() : credential_checker(options{}) {}
    explicit credential_checker(const options& chosen) : options_(chosen) {}

    // now: of the caller's loop.
    task<result<bool>> check(std::shared_ptr<const engine> rules, ip_address client, std::string user,
                             std::string password, time_point now);

    std::size_t remembered() const;

private:
    using tag = std::array<std::uint64_t, 2>;
    struct tag_hash {
        std::size_t operator()(const tag& one) const noexcept { return one[0]; }
    };
    struct memory {
        time_point until;
        std::list<tag>::iterator age;
    };

    tag tag_of(const std::string& stored, std::string_view user, std::string_view password) const;
    bool remembers(const tag& one, time_point now);
    void remember(const tag& one, time_point now);
    thread_pool& threads();

    // One who waits for a thread, in the books for as long as this lives, if there was room.
    class place {
    public:
        place(credential_checker& of, const ip_address& client);
        place(const place&) = delete;
        place& operator=(const place&) = delete;
        ~place();
        bool taken() const noexcept { return taken_; }

    private:
        credential_checker& of_;
        const std::string client_;
        bool taken_ = false;
    };

    const options options_;
    const siphash_key key_ = random_siphash_key();
    mutable std::mutex lock_;
    // guarded by lock_
    std::unordered_map<tag, memory, tag_hash> memory_;
    std::list<tag> by_age_;  // all are kept equally long, so the oldest runs out first
    std::unique_ptr<thread_pool> threads_;
    unsigned waiting_ = 0;
    std::map<std::string, unsigned> waiting_of_;  // by client; none is 0
};

}  // namespace co_wq::proxy::policy
