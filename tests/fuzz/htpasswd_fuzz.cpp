// An htpasswd file and a Proxy-Authorization field: every line is a user or a problem with its number; a login has a
// name, and no zero byte. Nothing is hashed. Input: the file, up to a zero byte, then the field.
#include <algorithm>

#include "fuzzing.hpp"
#include "proxy/policy/credentials.hpp"
#include "proxy/policy/user_table.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace co_wq;
    using namespace co_wq::proxy;
    const std::string_view all(reinterpret_cast<const char*>(data), size);
    const std::string_view text = all.substr(0, all.find('\0'));
    const auto seen = [&] { return fuzz::shown(all); };
    std::vector<policy::user_problem> wrong;
    const auto table = policy::user_table::parse(text, wrong);
    std::size_t lines = 0;
    for (std::string_view rest = text; !rest.empty();) {
        std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(rest.size(), line.size() + 1));
        if (line.ends_with('\r')) line.remove_suffix(1);
        lines += !line.empty() && line.front() != '#';
    }
    fuzz::demand(table->size() + wrong.size() == lines, "each line is a user or a problem", seen);
    std::uint32_t last = 0;
    for (const policy::user_problem& each : wrong) {
        fuzz::demand(each.line > last && !each.what.empty(), "problems in order, in words", seen);
        last = each.line;
    }
    if (text.size() == all.size()) return 0;
    const auto who = policy::parse_basic(all.substr(text.size() + 1));
    if (!who) return 0;
    fuzz::demand(!who->user.empty() && who->user.size() <= policy::user_name_max, "a name", seen);
    fuzz::demand(who->user.find(':') == std::string::npos, "which ends at the first colon", seen);
    fuzz::demand(who->password.size() <= policy::password_max, "a password that can be hashed", seen);
    fuzz::demand((who->user + who->password).find('\0') == std::string::npos, "no zero byte", seen);
    return 0;
}
