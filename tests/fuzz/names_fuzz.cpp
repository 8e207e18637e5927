// Host names, the hosts file and resolv.conf. A name that is accepted is in one spelling and keeps to the limits of
// DNS; a hosts file gives for each name the addresses that a plain reading of it gives, in its order, and no others,
// and for each address its names; a resolv.conf gives values within their bounds, and full names that are names. Input:
// a byte that chooses; then a name, or a file.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "fuzzing.hpp"
#include "net/dns/detail/hosts_file.hpp"
#include "net/dns/detail/system_config.hpp"
#include "net/dns/host_name.hpp"

namespace {

using namespace co_wq;
using net::dns::normalize_host_name;

bool is_number(std::string_view label) {
    if (label.starts_with("0x")) return label.find_first_not_of("0123456789abcdef", 2) == std::string_view::npos;
    return label.find_first_not_of("0123456789") == std::string_view::npos;
}

// By the words of host_name.hpp, not by its code.
bool is_host_name(std::string text) {
    if (text.ends_with('.')) text.pop_back();
    if (text.empty() || text.size() > 253) return false;
    std::string last;
    std::istringstream labels(text + ".");
    for (std::string label; std::getline(labels, label, '.'); last = label)
        if (label.empty() || label.size() > 63) return false;
    constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    for (const char& c : last)
        if (c >= 'A' && c <= 'Z') last[static_cast<std::size_t>(&c - last.data())] = static_cast<char>(c + 32);
    return text.find_first_not_of(allowed) == std::string::npos && !is_number(last);
}

void names(std::string_view text) {
    std::string name(text);
    const auto seen = [&] { return fuzz::shown(text) + " became " + fuzz::shown(name); };
    const bool accepted = normalize_host_name(name).has_value();
    fuzz::demand(accepted == is_host_name(std::string(text)), "a host name is what its description says", seen);
    if (!accepted) return;
    fuzz::demand(name.size() == text.size(), "only the case changes", seen);
    for (std::size_t i = 0; i < name.size(); ++i)
        fuzz::demand(name[i] == text[i] || (name[i] == text[i] + 32 && text[i] >= 'A' && text[i] <= 'Z'),
                     "only the case changes", seen);
    std::string again = name;
    fuzz::demand(normalize_host_name(again).has_value() && again == name, "a normal name is its own normal form", seen);
    fuzz::demand(!(net::dns::is_localhost_name(name) && net::dns::is_invalid_name(name)), "one special use", seen);
}

struct lists {
    net::dns::address_list ipv4, ipv6;
};

// hosts(5): address and names, blanks between, "#" begins a comment.
std::map<std::string, lists> read_plainly(const std::string& file) {
    std::map<std::string, lists> found;
    constexpr std::string_view blanks = " \t\n\v\f\r";
    std::istringstream lines(file);
    for (std::string line; std::getline(lines, line);) {
        line = line.substr(0, line.find('#'));
        std::vector<std::string> words;
        for (std::size_t at = 0; (at = line.find_first_not_of(blanks, at)) != std::string::npos;) {
            const std::size_t end = std::min(line.find_first_of(blanks, at), line.size());
            words.push_back(line.substr(at, end - at));
            at = end;
        }
        if (words.empty()) continue;
        const auto address = io::socket_address::parse(words[0], 0);  // zones are left to the tests
        if (!address) continue;
        for (std::size_t i = 1; i < words.size(); ++i) {
            if (normalize_host_name(words[i]).has_value()) {
                if (words[i].ends_with('.')) words[i].pop_back();
                lists& of_name = found[words[i]];
                (address->family() == io::address_family::ipv6 ? of_name.ipv6 : of_name.ipv4).push_back(*address);
            }
        }
    }
    return found;
}

// A file in memory, with a path.
class memory_file {
public:
    memory_file() : handle_(memfd_create("hosts", MFD_CLOEXEC)), path_("/proc/self/fd/" + std::to_string(handle_)) {
        fuzz::demand(handle_ >= 0, "there is a file", "memfd_create");
    }
    ~memory_file() { close(handle_); }
    void write(std::string_view text) const {
        const bool written = ftruncate(handle_, 0) == 0 &&
                             pwrite(handle_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
        fuzz::demand(written, "the file is written", path_);
    }
    const std::string& path() const { return path_; }

private:
    int handle_;
    std::string path_;
};

void expect_answer(const net::dns::detail::answer_ptr& given, const net::dns::address_list& wanted,
                   std::string_view seen) {
    fuzz::demand(given != nullptr, "a name of the file is answered", fuzz::shown(seen));
    if (wanted.empty()) {
        fuzz::demand(!given->has_value() && given->error() == errc::name_no_data, "the other family has no address",
                     fuzz::shown(seen));
    } else {
        fuzz::demand(given->has_value() && (*given)->addresses == wanted, "all addresses in the file's order",
                     fuzz::shown(seen));
    }
}

void expect_reverse(net::dns::detail::hosts_file& table, const std::string& name, const net::dns::address_list& of_name,
                    time_point now) {
    for (const io::socket_address& one : of_name) {
        const std::vector<std::string>* names = table.names_of(one, now);
        fuzz::demand(names && !names->empty(), "an address of the file has names", name);
        const bool full = names->size() == net::dns::detail::hosts_table::names_per_address_max;
        fuzz::demand(full || std::count(names->begin(), names->end(), name) == 1, "each of its names, once", name);
    }
}

void resolv_conf(std::string_view text) {
    using namespace net::dns::detail;
    system_config got = parse_resolv_conf(text, "host.example");
    apply_environment(got, nullptr, std::string(text.substr(0, text.find('\0'))).c_str());
    const auto seen = [&] { return fuzz::shown(text); };
    fuzz::demand(got.servers.size() <= servers_max && got.search.size() <= search_domains_max, "not too many", seen);
    fuzz::demand(got.ndots <= ndots_max, "dots are bounded", seen);
    fuzz::demand(!got.timeout || (got.timeout->count() > 0 && *got.timeout <= std::chrono::seconds(30)),
                 "patience is bounded", seen);
    fuzz::demand(!got.attempts || (*got.attempts > 0 && *got.attempts <= 5), "tries are bounded", seen);
    const search_rules rules{got.search, got.ndots, got.tld_query};
    name_room room;
    for (const std::string_view name : {"h", "a.b.c", "dot.", "x.example"}) {
        for (std::size_t i = 0; i < rules.count(name); ++i) {
            std::string full(rules.at(name, i, room));
            if (full.empty()) continue;
            fuzz::demand(!full.ends_with('.') && normalize_host_name(full).has_value(), "full names are names", seen);
        }
    }
}

void hosts(std::string_view text) {
    static const memory_file file;
    static net::dns::detail::hosts_file table(file.path());
    file.write(text);
    table.forget();
    const time_point now = steady_now();
    const std::map<std::string, lists> wanted = read_plainly(std::string(text));
    for (const auto& [name, of_name] : wanted) {
        expect_reverse(table, name, of_name.ipv4, now);
        expect_reverse(table, name, of_name.ipv6, now);
        if (text.contains('%')) continue;
        expect_answer(table.find(name, io::address_family::ipv4, now), of_name.ipv4, text);
        expect_answer(table.find(name, io::address_family::ipv6, now), of_name.ipv6, text);
        expect_answer(table.find(name + ".", io::address_family::ipv4, now), of_name.ipv4, text);
    }
    if (text.contains('%')) return;
    for (const std::string_view name : {"", ".", "#", "not-in-the-file.example"})
        fuzz::demand(wanted.contains(std::string(name)) || !table.find(name, io::address_family::ipv4, now),
                     "what is not in the file has no answer", fuzz::shown(text));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::input from(data, size);
    const std::uint8_t choice = from.choice();
    if ((choice & 1) != 0) {
        names(from.rest());
    } else if ((choice & 2) != 0) {
        resolv_conf(from.rest());
    } else {
        hosts(from.rest());
    }
    return 0;
}
