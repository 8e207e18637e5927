#include "proxy/policy/credentials.hpp"

#include "proxy/policy/user_table.hpp"

namespace co_wq::proxy::policy {
namespace {

int digit_of(char c) noexcept {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

// RFC 4648 section 4, strictly: padded, no other characters, no bits left over.
std::optional<std::string> decode_base64(std::string_view text) {
    if (text.empty() || text.size() % 4 != 0) return std::nullopt;
    const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
    text.remove_suffix(padding);
    std::string out;
    std::uint32_t bits = 0;
    unsigned held = 0;
    for (const char c : text) {
        const int digit = digit_of(c);
        if (digit < 0) return std::nullopt;
        bits = bits << 6 | static_cast<std::uint32_t>(digit);
        held += 6;
        if (held < 8) continue;
        held -= 8;
        out += static_cast<char>(bits >> held & 0xff);
    }
    if ((bits & ((1u << held) - 1)) != 0) return std::nullopt;
    return out;
}

bool is_basic(std::string_view scheme) noexcept {
    constexpr std::string_view name = "basic";
    if (scheme.size() != name.size()) return false;
    for (std::size_t at = 0; at < name.size(); ++at)
        if ((scheme[at] | 0x20) != name[at]) return false;
    return true;
}

}  // namespace

std::optional<login> parse_basic(std::string_view field) {
    const std::size_t blank = field.find(' ');
    if (blank == field.npos || !is_basic(field.substr(0, blank))) return std::nullopt;
    field.remove_prefix(std::min(field.size(), field.find_first_not_of(' ', blank)));
    if (field.size() > 2 * (user_name_max + password_max)) return std::nullopt;
    const std::optional<std::string> text = decode_base64(field);
    if (!text) return std::nullopt;
    const std::size_t colon = text->find(':');
    if (colon == text->npos || colon == 0 || colon > user_name_max) return std::nullopt;
    login made{text->substr(0, colon), text->substr(colon + 1)};
    if (made.password.size() > password_max || text->find('\0') != text->npos) return std::nullopt;
    return made;
}

credential_checker::place::place(credential_checker& of, const ip_address& client) : of_(of), client_(key_of(client)) {
    const std::scoped_lock guard(of_.lock_);
    if (of_.waiting_ >= of_.options_.waiting_max) return;
    unsigned& own = of_.waiting_of_[client_];
    if (own < of_.options_.waiting_per_client_max) {
        ++own;
        ++of_.waiting_;
        taken_ = true;
    } else if (own == 0) {
        of_.waiting_of_.erase(client_);
    }
}

credential_checker::place::~place() {
    if (!taken_) return;
    const std::scoped_lock guard(of_.lock_);
    --of_.waiting_;
    const auto own = of_.waiting_of_.find(client_);
    if (--own->second == 0) of_.waiting_of_.erase(own);
}

task<result<bool>> credential_checker::check(std::shared_ptr<const engine> rules, ip_address client, std::string user,
                                             std::string password, time_point now) {
    const user_table* table = rules->table_of(user);
    const std::string* stored = table ? table->find(user) : nullptr;
    const tag sign = stored ? tag_of(*stored, user, password) : tag{};
    if (stored && remembers(sign, now)) co_return true;
    if (!table)  // whoever is not known is checked against the first table that is not empty
        for (const user_file& each : rules->chosen().users)
            if (!table && each.table && each.table->size() > 0) table = each.table.get();
    if (!table) co_return false;
    const place here(*this, client);
    if (!here.taken()) co_return fail(errc::limit_exceeded);
    // on its way it may outlive this frame: it holds what it uses
    auto verify = [rules, table, user, password] { return table->verify(user, password); };
    const bool right = co_await threads().run(std::move(verify));
    if (right) remember(sign, now);
    co_return right;
}

credential_checker::tag credential_checker::tag_of(const std::string& stored, std::string_view user,
                                                   std::string_view password) const {
    // no field holds the zero byte that parts them
    std::string text = stored;
    text += '\0';
    text += user;
    text += '\0';
    text += password;
    return siphash_128(key_, text);
}

bool credential_checker::remembers(const tag& one, time_point now) {
    const std::scoped_lock guard(lock_);
    const auto found = memory_.find(one);
    if (found == memory_.end()) return false;
    if (now < found->second.until) return true;
    by_age_.erase(found->second.age);
    memory_.erase(found);
    return false;
}

void credential_checker::remember(const tag& one, time_point now) {
    const std::scoped_lock guard(lock_);
    const auto found = memory_.find(one);
    if (found != memory_.end()) {
        by_age_.erase(found->second.age);
        memory_.erase(found);
    }
    while (!by_age_.empty() && memory_.size() >= options_.remembered_max) {
        memory_.erase(by_age_.front());
        by_age_.pop_front();
    }
    if (options_.remembered_max == 0) return;
    by_age_.push_back(one);
    memory_.emplace(one, memory{saturating_add(now, options_.remembered_for), std::prev(by_age_.end())});
}

std::size_t credential_checker::remembered() const {
    const std::scoped_lock guard(lock_);
    return memory_.size();
}

// Threads begin with the first password: most proxies have no users.
thread_pool& credential_checker::threads() {
    const std::scoped_lock guard(lock_);
    if (!threads_) threads_ = std::make_unique<thread_pool>(options_.threads, "passwords");
    return *threads_;
}

}  // namespace co_wq::proxy::policy
