#include "proxy/config/config_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <tuple>

#include "proxy/config/limits_reader.hpp"
#include "proxy/config/policy_reader.hpp"
#include "proxy/config/table_reader.hpp"
#include "proxy/config/units.hpp"
#include "proxy/policy/user_table.hpp"

namespace co_wq::proxy::config {
namespace {

constexpr std::array<std::string_view, 6> levels{"trace", "debug", "info", "warn", "error", "off"};
constexpr std::array<std::string_view, 2> versions{"v1", "v2"}, formats{"text", "json"};
constexpr std::array<std::string_view, 3> reactors{"auto", "epoll", "uring"};

}  // namespace

std::optional<std::string> read_bytes(const std::string& path, problems& wrong) {
    std::error_code failure;
    std::string text;
    if (std::filesystem::is_directory(path, failure)) {
        wrong.push_back({path, 0, 0, "is a folder: name a file"});
        return std::nullopt;
    }
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        const bool there = std::filesystem::exists(path, failure);
        wrong.push_back({path, 0, 0, there ? "cannot be opened: check its permissions" : "there is no such file"});
        return std::nullopt;
    }
    std::array<char, 16 * 1024> block;
    while (file.read(block.data(), block.size()) || file.gcount() > 0) {
        text.append(block.data(), static_cast<std::size_t>(file.gcount()));
        if (text.size() <= config_bytes_max) continue;
        wrong.push_back({path, 0, 0, "is longer than 16 MiB"});
        return std::nullopt;
    }
    if (file.bad()) {
        wrong.push_back({path, 0, 0, "cannot be read"});
        return std::nullopt;
    }
    return text;
}

namespace {

void read_log(table_reader& from, options& out) {
    std::string level;
    from.word("level", levels, level);
    if (!level.empty()) out.log.minimum = *log::level_from(level);
    from.text("file", out.log.file);
    if (!out.log.file.empty()) out.log.file = from.file().path(out.log.file);
    from.flag("append", out.log.append);
}

void read_dns(table_reader& from, net::dns::resolver_options& out) {
    std::string servers;
    from.texts("servers", [&](std::string_view given) {
        servers += (servers.empty() ? "" : ",") + std::string(given);
        return wrong_with_name_server(given);
    });
    if (!servers.empty()) out.servers = servers;
    const auto path = [&](std::string_view key, std::string& to) {
        const std::string before = to;
        from.text(key, to);
        if (to != before && !to.empty()) to = from.file().path(to);
    };
    path("resolv_conf", out.resolv_conf);
    path("hosts_file", out.hosts_file);
    from.flag("search", out.search);
    if (from.has("query_timeout")) {
        duration given = std::chrono::seconds(2);
        from.time("query_timeout", given);
        out.query_timeout = given;
    }
    from.number("tries", 1, 10, [&](std::uint64_t given) { out.tries = static_cast<int>(given); });
    from.number("queries", 1, 1'000'000, [&](std::uint64_t given) { out.queries_max = given; });
    from.number("entries", 1, 10'000'000, [&](std::uint64_t given) { out.entries_max = given; });
    from.time("ttl_min", out.ttl_min);
    from.time("ttl_max", out.ttl_max);
    if (out.ttl_min > out.ttl_max) from.complain("ttl_min", "is longer than ttl_max: make it shorter");
}

void read_arrival(table_reader& from, options& out) {
    from.number("udp_per_client", 0, 65536,
                [&](std::uint64_t given) { out.udp_per_client = static_cast<std::uint32_t>(given); });
    from.texts("proxy_protocol_from", [&](std::string_view given) -> std::string {
        const auto block = socks::address_block::parse(given);
        if (!block) return "is no address and no range: write \"192.0.2.0/24\" or \"fd00::/8\"";
        out.proxy_protocol_from.push_back(*block);
        return {};
    });
    std::string version;
    from.word("send_proxy_protocol", versions, version);
    if (version == "v1") out.send_proxy_protocol = socks::proxy_header_version::v1;
    if (version == "v2") out.send_proxy_protocol = socks::proxy_header_version::v2;
}

void read_access_log(table_reader& from, seeing_options& out) {
    from.text("file", out.access_log);
    if (!out.access_log.empty() && out.access_log != "-") out.access_log = from.file().path(out.access_log);
    std::string format;
    from.word("format", formats, format);
    if (!format.empty()) out.format = format;
    from.flag("query", out.query);
    std::uint64_t one_of = 1;
    from.number("one_of", 1, 1'000'000, [&](std::uint64_t given) { one_of = given; });
    if (one_of > 1) out.sample = 1.0 / static_cast<double>(one_of);
}

void read_admin(table_reader& from, seeing_options& out) {
    from.text("address", out.admin);
    from.flag("open", out.admin_open);
    if (!out.admin.empty() && !parse_admin_address(out.admin))
        from.complain("address", "is no address with a port: write \"127.0.0.1:9100\"");
}

void read_whole(const toml::table& root, const file_context& file, options& out) {
    table_reader from(file, root, "");
    from.number("threads", 0, 1024, [&](std::uint64_t given) { out.threads = static_cast<unsigned>(given); });
    std::string reactor;
    from.word("reactor", reactors, reactor);
    if (!reactor.empty()) out.reactor = *io::reactor_kind_from(reactor);
    from.flag("trace_packets", out.trace_packets);
    from.text("user", out.user);
    std::string chaos;
    from.text("chaos", chaos);
    if (!chaos.empty()) {
        const auto read = io::chaos_from(chaos);
        if (!read) from.complain("chaos", "write SEED:RATE, such as \"7:0.01\"");
        if (read) out.chaos = *read;
    }
    read_arrival(from, out);
    from.table("access_log", [&](table_reader& table) { read_access_log(table, out.seeing); });
    from.table("admin", [&](table_reader& table) { read_admin(table, out.seeing); });
    from.table("log", [&](table_reader& table) { read_log(table, out); });
    from.table("limits", [&](table_reader& table) { read_limits(table, out.limit); });
    from.table("dns", [&](table_reader& table) { read_dns(table, out.names); });
    read_policies(from, out.rules);
    from.finish();
}

// The text without this line, so that the others keep their numbers.
void blank_line(std::string& text, std::uint32_t number) {
    std::size_t at = 0;
    for (std::uint32_t line = 1; line < number && at != text.npos; ++line) {
        at = text.find('\n', at);
        if (at != text.npos) ++at;
    }
    if (at == text.npos) return;
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::fill(text.begin() + static_cast<std::ptrdiff_t>(at), text.begin() + static_cast<std::ptrdiff_t>(end), ' ');
}

}  // namespace

void load_text(std::string_view given, const std::string& name, const std::string& folder, options& out,
               problems& wrong) {
    constexpr int grammar_problems_max = 20;
    const file_context file{name, folder, wrong};
    std::string text(given);
    std::uint32_t last = 0;
    for (int count = 0; count < grammar_problems_max; ++count) {
        const toml::parse_result read = toml::parse(std::string_view(text), name);
        if (read) {
            if (count == 0) read_whole(read.table(), file, out);
            break;
        }
        const toml::source_region& where = read.error().source();
        const std::string_view what = read.error().description();
        // what follows from a line that was left out is no news
        if (count > 0 && (where.begin.line <= last || what.find("end-of-file") != what.npos)) break;
        last = where.begin.line;
        file.complain(where, fmt::format("not TOML: {}", what));
        blank_line(text, last);
    }
    const auto place = [](const problem& one) { return std::tie(one.file, one.line, one.column, one.what); };
    std::sort(wrong.begin(), wrong.end(),
              [&](const problem& left, const problem& right) { return place(left) < place(right); });
}

void load_file(const std::string& path, options& out, problems& wrong) {
    const std::optional<std::string> text = read_bytes(path, wrong);
    if (text) load_text(*text, path, std::filesystem::path(path).parent_path().string(), out, wrong);
}

std::shared_ptr<const policy::user_table> load_users(const std::string& path, problems& wrong) {
    const std::optional<std::string> text = read_bytes(path, wrong);
    if (!text) return nullptr;
    std::vector<policy::user_problem> bad;
    auto made = policy::user_table::parse(*text, bad);
    for (policy::user_problem& each : bad) wrong.push_back({path, each.line, 1, std::move(each.what)});
    if (bad.empty() && made->size() == 0) wrong.push_back({path, 0, 0, "holds no user: add one with htpasswd -B"});
    return made;
}

}  // namespace co_wq::proxy::config
