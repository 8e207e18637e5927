// table_reader: one TOML table, key by key, into values that hold together. Every key that is asked for is known; at
// the end, finish() tells the others.
//
// For:        the sources of this folder only: it is the one that sees toml++.
// Guarantees: a wrong value leaves its target as it was and adds a problem with its line and column.
// Threads:    one. Lifetime: the table outlives the reader.
#pragma once

// toml++ reports errors by value, and is compiled into the few sources that use it
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#include <toml++/impl/preprocessor.h>
// Its parser asserts, or in release builds assumes, what a file can break ("[[["), before it checks the same properly
// (toml++ 3.3, parse_key): only its checks count.
#undef TOML_ASSERT
#undef TOML_ASSERT_ASSUME
#define TOML_ASSERT(condition) static_assert(true)
#define TOML_ASSERT_ASSUME(condition) static_assert(true)
#include <toml++/toml.h>

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "proxy/config/problem.hpp"
#include "proxy/policy/settings.hpp"

namespace co_wq::proxy::config {

// What all tables of one file have in common.
struct file_context {
    std::string name;    // as it was given
    std::string folder;  // paths in the file are relative to it
    problems& wrong;

    void complain(const toml::source_region& where, std::string what) const;
    policy::origin origin_of(const toml::source_region& where) const;
    std::string path(const std::string& written) const;
};

class table_reader {
public:
    // name: as messages call it, such as "[limits]".
    table_reader(const file_context& file, const toml::table& table, std::string name)
        : file_(file), table_(table), name_(std::move(name)) {}

    // Whether the key is there; it is known from now on.
    const toml::node* find(std::string_view key);
    bool has(std::string_view key) const { return table_.contains(key); }
    bool is_text(std::string_view key) const { return has(key) && table_.get(key)->is_string(); }

    void flag(std::string_view key, bool& out);
    void flag(std::string_view key, std::optional<bool>& out);
    void text(std::string_view key, std::string& out);
    void number(std::string_view key, std::uint64_t least, std::uint64_t most,
                const std::function<void(std::uint64_t)>& take);
    void time(std::string_view key, duration& out);
    // "none" is 0.
    void time_or_none(std::string_view key, duration& out);
    void size(std::string_view key, std::uint64_t& out);
    // One of these words.
    void word(std::string_view key, std::span<const std::string_view> words, std::string& out);
    // Each text of an array. take says what is wrong with it, or nothing.
    using taker = std::function<std::string(std::string_view)>;
    void texts(std::string_view key, const taker& take);
    // An array of port numbers and texts that are ranges.
    void ports(std::string_view key, std::vector<policy::port_range>& out);
    // An array of CIDR ranges.
    void ranges(std::string_view key, std::vector<policy::cidr>& out);
    // A table, and each table of an array of them.
    void table(std::string_view key, const std::function<void(table_reader&)>& read);
    void tables(std::string_view key, const std::function<void(table_reader&)>& read);

    void complain(std::string_view key, std::string what);
    // Tells the keys nobody asked for.
    void finish();

    const toml::source_region& where() const noexcept { return table_.source(); }
    const file_context& file() const noexcept { return file_; }
    // Where the key is, or the table if it is not there.
    const toml::source_region& where(std::string_view key) const noexcept;

private:
    const toml::array* array(std::string_view key, const char* example);
    std::string inner_name(std::string_view key, bool many) const;

    const file_context& file_;
    const toml::table& table_;
    std::string name_;
    std::vector<std::string_view> known_;
};

}  // namespace co_wq::proxy::config
