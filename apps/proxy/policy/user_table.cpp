#include "proxy/policy/user_table.hpp"

#include <crypt.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/os/memory.hpp"

namespace co_wq::proxy::policy {
namespace {

constexpr unsigned bcrypt_cost_max = 15;              // some seconds
constexpr unsigned long sha_rounds_max = 5'000'000;  // some seconds

bool is_hash_character(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '/';
}

bool is_hash_text(std::string_view text, std::size_t size) noexcept {
    return text.size() == size && std::all_of(text.begin(), text.end(), is_hash_character);
}

template <class Number>
bool read_number(std::string_view text, Number& out) noexcept {
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), out);
    return failure == std::errc{} && end == text.data() + text.size();
}

// "" if it is one that we check.
std::string_view wrong_with_bcrypt(std::string_view hash) noexcept {
    unsigned cost = 0;
    if (hash.size() < 7 || hash[6] != '$' || !read_number(hash.substr(4, 2), cost) || cost < 4)
        return "a broken bcrypt hash: make a new one with htpasswd -B";
    if (cost > bcrypt_cost_max) return "a bcrypt cost above 15 would take too long: make a new one with htpasswd -B";
    if (!is_hash_text(hash.substr(7), 53)) return "a broken bcrypt hash: make a new one with htpasswd -B";
    return {};
}

std::string_view wrong_with_sha(std::string_view hash) noexcept {
    const std::size_t digest = hash[1] == '5' ? 43 : 86;
    hash.remove_prefix(3);
    if (hash.starts_with("rounds=")) {
        const std::size_t end = hash.find('$');
        unsigned long rounds = 0;
        if (end == hash.npos || !read_number(hash.substr(7, end - 7), rounds) || rounds < 1000)
            return "a broken SHA-crypt hash: make a new one with mkpasswd -m sha-512";
        if (rounds > sha_rounds_max) return "more than 5000000 rounds would take too long: use fewer";
        hash.remove_prefix(end + 1);
    }
    const std::size_t salt = hash.find('$');
    if (salt == hash.npos || salt > 16 || !is_hash_text(hash.substr(0, salt), salt) ||
        !is_hash_text(hash.substr(salt + 1), digest))
        return "a broken SHA-crypt hash: make a new one with mkpasswd -m sha-512";
    return {};
}

std::string_view wrong_with_hash(std::string_view hash) noexcept {
    if (hash.empty()) return "there is no hash behind the name";
    if (hash.starts_with("$2a$") || hash.starts_with("$2b$") || hash.starts_with("$2y$"))
        return wrong_with_bcrypt(hash);
    if (hash.starts_with("$5$") || hash.starts_with("$6$")) return wrong_with_sha(hash);
    if (hash.starts_with("$apr1$") || hash.starts_with("$1$"))
        return "MD5 hashes are not accepted: make a new one with htpasswd -B";
    if (hash.starts_with("{SHA}")) return "SHA-1 hashes are not accepted: make a new one with htpasswd -B";
    return "neither a bcrypt nor a SHA-crypt hash: make one with htpasswd -B";
}

std::string_view wrong_with_name(std::string_view name) noexcept {
    if (name.empty()) return "there is no name before the colon";
    if (name.size() > user_name_max) return "a name is at most 255 bytes long";
    if (name == "*") return "* stands for every user in rules: choose another name";
    for (const char c : name)
        if (static_cast<unsigned char>(c) < 0x21 || c == 0x7f) return "a name holds no blanks and control characters";
    return {};
}

// Looks at every byte, whatever it finds.
bool equal(std::string_view left, std::string_view right) noexcept {
    unsigned differences = left.size() != right.size();
    for (std::size_t at = 0; at < std::min(left.size(), right.size()); ++at)
        differences |= static_cast<unsigned char>(left[at] ^ right[at]);
    return differences == 0;
}

}  // namespace

std::shared_ptr<const user_table> user_table::parse(std::string_view text, std::vector<user_problem>& wrong) {
    auto made = std::make_shared<user_table>();
    for (std::uint32_t number = 1; !text.empty(); ++number) {
        std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (line.empty() || line.front() == '#') continue;
        const std::size_t colon = line.find(':');
        if (colon == line.npos) {
            wrong.push_back({number, "not a line of NAME:HASH, as htpasswd -B writes it"});
            continue;
        }
        const std::string_view name = line.substr(0, colon), hash = line.substr(colon + 1);
        std::string_view problem = wrong_with_name(name);
        if (problem.empty()) problem = wrong_with_hash(hash);
        if (problem.empty() && made->find(name)) problem = "the name stands in an earlier line";
        if (!problem.empty()) {
            wrong.push_back({number, std::string(problem)});
            continue;
        }
        const auto added = made->hashes_.emplace(name, hash).first;
        made->order_.push_back(&added->second);
    }
    return made;
}

const std::string* user_table::find(std::string_view user) const noexcept {
    const auto found = hashes_.find(user);
    return found == hashes_.end() ? nullptr : &found->second;
}

bool user_table::verify(std::string_view user, std::string_view password) const {
    const std::string* known = find(user);
    // whoever is not known is checked against a hash, too: the same one each time, so that asking again tells nothing
    const std::string* against = known;
    if (!against && !order_.empty()) against = order_[siphash_128(key_, user)[0] % order_.size()];
    if (!against) return false;
    const bool fits = password.size() <= password_max && password.find('\0') == password.npos;
    const auto memory = std::make_unique<crypt_data>();  // 32 KiB
    const std::string phrase(fits ? password : std::string_view());
    const char* made = crypt_r(phrase.c_str(), against->c_str(), memory.get());
    const bool same = made && made[0] != '*' && equal(made, *against);
    os::wipe(memory.get(), sizeof(crypt_data));
    return same && known && fits;
}

}  // namespace co_wq::proxy::policy
