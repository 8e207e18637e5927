#include "proxy/config/table_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "proxy/config/units.hpp"
#include "proxy/options.hpp"

namespace co_wq::proxy::config {

std::string problem::text() const {
    std::string where = line == 0 ? file : fmt::format("{}:{}:{}", file, line, column);
    return on_one_line(where + ": " + what);
}

void file_context::complain(const toml::source_region& where, std::string what) const {
    wrong.push_back({name, where.begin.line, where.begin.column, std::move(what)});
}

policy::origin file_context::origin_of(const toml::source_region& where) const { return {name, where.begin.line}; }

std::string file_context::path(const std::string& written) const {
    return (std::filesystem::path(folder) / written).string();
}

const toml::node* table_reader::find(std::string_view key) {
    known_.push_back(key);
    return table_.get(key);
}

const toml::source_region& table_reader::where(std::string_view key) const noexcept {
    const toml::node* found = table_.get(key);
    return found ? found->source() : table_.source();
}

void table_reader::complain(std::string_view key, std::string what) {
    file_.complain(where(key), fmt::format("{}: {}", key, what));
}

void table_reader::flag(std::string_view key, bool& out) {
    const toml::node* found = find(key);
    if (!found) return;
    if (!found->is_boolean()) return complain(key, "write true or false");
    out = found->as_boolean()->get();
}

void table_reader::flag(std::string_view key, std::optional<bool>& out) {
    bool value = out.value_or(false);
    flag(key, value);
    if (has(key)) out = value;
}

void table_reader::text(std::string_view key, std::string& out) {
    const toml::node* found = find(key);
    if (!found) return;
    if (!found->is_string()) return complain(key, "write a text in quotes: \"...\"");
    if (found->as_string()->get().find('\0') != std::string::npos) return complain(key, "a text without a zero byte");
    out = found->as_string()->get();
}

void table_reader::number(std::string_view key, std::uint64_t least, std::uint64_t most,
                          const std::function<void(std::uint64_t)>& take) {
    const toml::node* found = find(key);
    if (!found) return;
    const std::int64_t value = found->is_integer() ? found->as_integer()->get() : -1;
    if (!found->is_integer() || value < 0 || static_cast<std::uint64_t>(value) < least ||
        static_cast<std::uint64_t>(value) > most)
        return complain(key, fmt::format("write a whole number from {} to {}", least, most));
    take(static_cast<std::uint64_t>(value));
}

void table_reader::time(std::string_view key, duration& out) {
    const toml::node* found = find(key);
    if (!found) return;
    if (found->is_integer())
        return complain(key, fmt::format("a time has its unit: write \"{}s\"", found->as_integer()->get()));
    const auto read = parse_time(found->is_string() ? found->as_string()->get() : "");
    if (!read) return complain(key, read.error());
    out = *read;
}

void table_reader::time_or_none(std::string_view key, duration& out) {
    const toml::node* found = find(key);
    const bool none = found && found->is_string() && found->as_string()->get() == "none";
    if (none) out = duration::zero();
    if (!none) time(key, out);
}

void table_reader::size(std::string_view key, std::uint64_t& out) {
    const toml::node* found = find(key);
    if (!found) return;
    if (found->is_integer())
        return complain(key, fmt::format("a size has its unit: write \"{} B\"", found->as_integer()->get()));
    const std::string_view text = found->is_string() ? std::string_view(found->as_string()->get()) : "";
    const auto read = parse_size(text);
    if (!read && text != "none") return complain(key, read.error() + ", or \"none\"");
    out = text == "none" ? 0 : *read;
}

void table_reader::word(std::string_view key, std::span<const std::string_view> words, std::string& out) {
    std::string given;
    const std::size_t before = file_.wrong.size();
    text(key, given);
    if (!has(key) || file_.wrong.size() != before) return;
    if (std::find(words.begin(), words.end(), given) != words.end()) {
        out = std::move(given);
        return;
    }
    complain(key, fmt::format("\"{}\" is not known: write one of {}", given, fmt::join(words, ", ")));
}

const toml::array* table_reader::array(std::string_view key, const char* example) {
    const toml::node* found = find(key);
    if (!found) return nullptr;
    if (found->is_array()) return found->as_array();
    complain(key, fmt::format("write a list in brackets: {}", example));
    return nullptr;
}

void table_reader::texts(std::string_view key, const taker& take) {
    const toml::array* all = array(key, "[\"...\"]");
    if (!all) return;
    if (all->empty()) complain(key, "the list is empty and would say nothing: leave it out");
    for (const toml::node& each : *all) {
        if (!each.is_string()) {
            file_.complain(each.source(), fmt::format("{}: write texts in quotes: [\"...\"]", key));
            continue;
        }
        const std::string& given = each.as_string()->get();
        if (const std::string wrong = take(given); !wrong.empty())
            file_.complain(each.source(), fmt::format("{}: \"{}\": {}", key, given, wrong));
    }
}

void table_reader::ports(std::string_view key, std::vector<policy::port_range>& out) {
    const toml::array* all = array(key, "[443, \"8000-8999\"]");
    if (!all) return;
    if (all->empty()) complain(key, "the list is empty and would say nothing: leave it out");
    std::vector<policy::port_range> found;
    for (const toml::node& each : *all) {
        std::string given;
        if (each.is_integer()) given = std::to_string(each.as_integer()->get());
        if (each.is_string()) given = each.as_string()->get();
        const auto read = parse_ports(given);
        if (read) {
            found.push_back(*read);
        } else {
            file_.complain(each.source(), fmt::format("{}: {}", key, read.error()));
        }
    }
    out = std::move(found);
}

void table_reader::ranges(std::string_view key, std::vector<policy::cidr>& out) {
    std::vector<policy::cidr> found;
    texts(key, [&](std::string_view given) {
        const auto read = policy::parse_cidr(given);
        if (read) found.push_back(*read);
        return read ? std::string() : read.error();
    });
    if (has(key)) out = std::move(found);
}

std::string table_reader::inner_name(std::string_view key, bool many) const {
    const std::string outer = name_.empty() ? "" : name_.substr(name_.find_last_of('[') + 1);
    const std::string full =
        outer.empty() ? std::string(key) : outer.substr(0, outer.find(']')) + "." + std::string(key);
    return many ? "[[" + full + "]]" : "[" + full + "]";
}

void table_reader::table(std::string_view key, const std::function<void(table_reader&)>& read) {
    const toml::node* found = find(key);
    if (!found) return;
    if (!found->is_table()) return complain(key, "write a table: " + inner_name(key, false));
    table_reader inner(file_, *found->as_table(), inner_name(key, false));
    read(inner);
    inner.finish();
}

void table_reader::tables(std::string_view key, const std::function<void(table_reader&)>& read) {
    const toml::node* found = find(key);
    if (!found) return;
    if (!found->is_array()) return complain(key, "there may be several: write " + inner_name(key, true));
    for (const toml::node& each : *found->as_array()) {
        if (!each.is_table()) {
            file_.complain(each.source(), fmt::format("{}: write tables: {}", key, inner_name(key, true)));
            continue;
        }
        table_reader inner(file_, *each.as_table(), inner_name(key, true));
        read(inner);
        inner.finish();
    }
}

void table_reader::finish() {
    for (auto&& [key, node] : table_) {
        const std::string_view name = key.str();
        if (std::find(known_.begin(), known_.end(), name) != known_.end()) continue;
        std::string what = fmt::format("unknown key \"{}\"", name);
        if (!name_.empty()) what += " in " + name_;
        if (const auto near = nearest(name, known_)) {
            what += fmt::format(": did you mean \"{}\"?", *near);
        } else {
            std::vector<std::string_view> all = known_;
            std::sort(all.begin(), all.end());
            what += fmt::format(": known are {}", fmt::join(all, ", "));
        }
        file_.complain(key.source(), std::move(what));
    }
}

}  // namespace co_wq::proxy::config
