#include "net/dns/detail/system_config.hpp"

#include <algorithm>
#include <charconv>

#include "io/socket_address.hpp"
#include "net/dns/host_name.hpp"

namespace co_wq::net::dns::detail {
namespace {

constexpr std::string_view blanks = " \t\r\v\f\n";

// The next word; empty at the end.
std::string_view next_word(std::string_view& rest) noexcept {
    rest.remove_prefix(std::min(rest.find_first_not_of(blanks), rest.size()));
    const std::string_view word = rest.substr(0, rest.find_first_of(blanks));
    rest.remove_prefix(word.size());
    return word;
}

// "name:12" with this name, cut to the bound as glibc does.
std::optional<unsigned> value_of(std::string_view word, std::string_view name, unsigned most) noexcept {
    if (!word.starts_with(name)) return {};
    word.remove_prefix(name.size());
    unsigned value = 0;
    const auto read = std::from_chars(word.data(), word.data() + word.size(), value);
    if (read.ec == std::errc::result_out_of_range) return most;
    if (read.ec != std::errc() || read.ptr != word.data() + word.size()) return {};
    return std::min(value, most);
}

void read_option(std::string_view word, system_config& into) {
    if (const auto dots = value_of(word, "ndots:", ndots_max)) into.ndots = *dots;
    if (const auto seconds = value_of(word, "timeout:", 30); seconds && *seconds > 0)
        into.timeout = std::chrono::seconds(*seconds);
    if (const auto times = value_of(word, "attempts:", 5); times && *times > 0)
        into.attempts = static_cast<int>(*times);
    if (word == "rotate") into.rotate = true;
    if (word == "use-vc") into.use_tcp = true;
    if (word == "edns0") into.edns = true;
    if (word == "no-tld-query") into.tld_query = false;
    if (word == "no-reload") into.reload = false;
}

void read_options(std::string_view rest, system_config& into) {
    for (std::string_view word = next_word(rest); !word.empty(); word = next_word(rest)) read_option(word, into);
}

void read_server(std::string_view rest, system_config& into) {
    const std::string_view word = next_word(rest);
    const result<io::socket_address> where = io::socket_address::parse(word, 53);
    if (!where || into.servers.size() == servers_max) return;
    const bool ipv6 = where->family() == io::address_family::ipv6;
    into.servers.push_back(ipv6 ? "[" + where->host() + "]" : where->host());
}

void add_domain(std::string_view word, std::vector<std::string>& list) {
    std::string domain(word);
    if (domain == ".") {
        domain.clear();
    } else {
        if (!normalize_host_name(domain)) return;
        if (domain.ends_with('.')) domain.pop_back();
    }
    if (list.size() < search_domains_max && std::find(list.begin(), list.end(), domain) == list.end())
        list.push_back(std::move(domain));
}

std::vector<std::string> read_domains(std::string_view rest) {
    std::vector<std::string> list;
    for (std::string_view word = next_word(rest); !word.empty(); word = next_word(rest)) add_domain(word, list);
    return list;
}

std::size_t dots_in(std::string_view name) noexcept {
    return static_cast<std::size_t>(std::count(name.begin(), name.end(), '.'));
}

bool under_local(std::string_view name) noexcept { return name == "local" || name.ends_with(".local"); }

}  // namespace

system_config parse_resolv_conf(std::string_view text, std::string_view host_name) {
    system_config made;
    bool has_search = false;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.starts_with('#') || line.starts_with(';')) continue;
        const std::string_view keyword = next_word(line);
        if (keyword == "nameserver") {
            read_server(line, made);
        } else if (keyword == "search" || keyword == "domain") {
            if (keyword == "domain") line = next_word(line);
            made.search = read_domains(line);  // the last one counts
            has_search = true;
        } else if (keyword == "options") {
            read_options(line, made);
        }
    }
    const std::size_t dot = host_name.find('.');
    if (!has_search && dot != host_name.npos) add_domain(host_name.substr(dot + 1), made.search);
    return made;
}

void apply_environment(system_config& config, const char* local_domain, const char* options) {
    if (local_domain) config.search = read_domains(local_domain);
    if (options) read_options(options, config);
}

std::vector<std::string> domains_of(const std::vector<std::string>& words) {
    std::vector<std::string> list;
    for (const std::string& one : words) add_domain(one, list);
    return list;
}

std::size_t search_rules::count(std::string_view name) const noexcept {
    if (name.ends_with('.')) return 1;
    const bool as_it_is = tld_query || ndots == 0 || name.find('.') != name.npos;
    return domains.size() + (as_it_is ? 1 : 0);
}

// Names with enough dots are tried as they are first, others last (resolv.conf(5), ndots).
std::string_view search_rules::at(std::string_view name, std::size_t index, name_room& room) const noexcept {
    if (name.ends_with('.')) return name.substr(0, name.size() - 1);
    const bool first_as_it_is = dots_in(name) >= ndots;
    if (index == (first_as_it_is ? 0 : domains.size())) return name;
    const std::string& domain = domains[index - (first_as_it_is ? 1 : 0)];
    if (domain.empty()) return name;
    const std::size_t length = name.size() + 1 + domain.size();
    if (length > host_name_max) return {};
    char* end = std::copy(name.begin(), name.end(), room.begin());
    *end++ = '.';
    std::copy(domain.begin(), domain.end(), end);
    return {room.data(), length};
}

bool is_local_name(std::string_view name) noexcept { return under_local(name); }

bool uses_local_domain(const std::vector<std::string>& search) noexcept {
    return std::any_of(search.begin(), search.end(), [](const std::string& one) { return under_local(one); });
}

}  // namespace co_wq::net::dns::detail
