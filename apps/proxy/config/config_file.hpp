// The proxy's configuration as one TOML file (docs/operations/policy.md).
//
// For:        --config and --check-config.
// Guarantees: every problem is told, not only the first one; out is changed even if there are problems, and of no use
//             then. Of errors in TOML's own grammar those are told that are found after leaving out the lines of the
//             earlier ones; what the file means is then not looked at.
// Threads:    plain functions. Blocks on files.
//
//   config::problems wrong;
//   config::load_file("proxy.toml", chosen, wrong);
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "proxy/config/problem.hpp"
#include "proxy/options.hpp"

namespace co_wq::proxy::config {

inline constexpr std::size_t config_bytes_max = 16 * 1024 * 1024;

void load_file(const std::string& path, options& out, problems& wrong);
// folder: what paths in the text are relative to.
void load_text(std::string_view text, const std::string& name, const std::string& folder, options& out,
               problems& wrong);

// A file's bytes; nothing, with a problem, if it cannot be read.
std::optional<std::string> read_bytes(const std::string& path, problems& wrong);

// One htpasswd file, as --users and the config file name it.
std::shared_ptr<const policy::user_table> load_users(const std::string& path, problems& wrong);

}  // namespace co_wq::proxy::config
