// user_table: users and the hashes of their passwords, from an htpasswd file.
//
// For:        Basic and SOCKS user/password. Lines of NAME:HASH; empty lines and lines that begin with '#' are skipped.
// Guarantees: bcrypt ($2a$, $2b$, $2y$) and SHA-crypt ($5$, $6$) are read; what is weaker (MD5, SHA-1, DES, plain
//             text) is refused by line, as are hashes that would take minutes to check.
// Errors:     parse: every bad line with its number and what to write instead.
// Threads:    immutable: any. verify takes as long as the hash wants, up to a second: never on a loop.
// Source:     crypt(5) of libxcrypt 4.4; RFC 7617 section 2 (no colon in a user's name).
//
//   std::vector<user_problem> wrong;
//   const auto table = user_table::parse(text, wrong);
//   const bool known = table->verify("alice", "secret");
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "proxy/policy/siphash.hpp"

namespace co_wq::proxy::policy {

inline constexpr std::size_t user_name_max = 255;
inline constexpr std::size_t password_max = 511;  // crypt(3) takes no more

struct user_problem {
    std::uint32_t line = 0;
    std::string what;
};

class user_table {
public:
    // Adds to wrong; a table with what is right is made in any case.
    static std::shared_ptr<const user_table> parse(std::string_view text, std::vector<user_problem>& wrong);

    std::size_t size() const noexcept { return hashes_.size(); }
    // The user's hash; nullptr: not known.
    const std::string* find(std::string_view user) const noexcept;
    // Whether the password is the user's. Compares in constant time; an unknown user costs as much as some known one,
    // always the same.
    bool verify(std::string_view user, std::string_view password) const;

private:
    struct hash : std::hash<std::string_view> {
        using is_transparent = void;
    };
    std::unordered_map<std::string, std::string, hash, std::equal_to<>> hashes_;
    std::vector<const std::string*> order_;
    siphash_key key_ = random_siphash_key();
};

}  // namespace co_wq::proxy::policy
