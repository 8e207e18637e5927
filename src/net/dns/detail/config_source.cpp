#include "net/dns/detail/config_source.hpp"

#include <fstream>

#include "net/dns/resolver_options.hpp"

namespace co_wq::net::dns {

std::string system_configuration() { return os::name_configuration(); }

std::string system_hosts_file() { return os::hosts_path(); }

}  // namespace co_wq::net::dns

namespace co_wq::net::dns::detail {
namespace {

constexpr std::size_t config_bytes_max = 64 * 1024;

// Of what is no regular file, nothing: opening a fifo would wait for its other end.
std::string beginning_of(const std::string& path) {
    std::error_code problem;
    if (!std::filesystem::is_regular_file(path, problem)) return {};
    std::ifstream file(path, std::ios::binary);
    std::string text(config_bytes_max, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
    return text;
}

}  // namespace

config_source::config_source(std::string path) : file_(std::move(path)) {
    if (file_.path() == os::name_configuration()) settings_ = os::name_settings::open();
}

bool config_source::has_changed(time_point now) noexcept {
    if (!settings_) return file_.look(now) == file_watch::state::changed;
    if (now < look_again_) return false;
    look_again_ = saturating_add(now, std::chrono::seconds(1));
    return settings_->changed();
}

std::string config_source::text() {
    if (settings_) return settings_->text();
    return file_.path().empty() ? std::string() : beginning_of(file_.path());
}

}  // namespace co_wq::net::dns::detail
