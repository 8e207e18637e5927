#include "net/dns/detail/hosts_file.hpp"

#include <fstream>
#include <sstream>

#include "net/dns/host_name.hpp"

namespace co_wq::net::dns::detail {
namespace {

constexpr duration look_interval = std::chrono::seconds(1);

answer_ptr make(address_list found) {
    if (found.empty()) return std::make_shared<const answer>(fail(errc::name_no_data));
    return std::make_shared<const answer>(std::move(found));
}

}  // namespace

answer_ptr hosts_file::find(std::string_view name, io::address_family family, time_point now) {
    if (path_.empty()) return nullptr;
    if (now >= look_again_) {
        look_again_ = saturating_add(now, look_interval);
        refresh();
    }
    if (names_.empty()) return nullptr;
    if (name.ends_with('.')) name.remove_suffix(1);
    const auto found = names_.find(name);
    if (found == names_.end()) return nullptr;
    return family == io::address_family::ipv6 ? found->second.ipv6 : found->second.ipv4;
}

void hosts_file::refresh() {
    std::error_code problem;
    const auto written = std::filesystem::last_write_time(path_, problem);
    if (problem) {
        names_.clear();
        loaded_ = false;
        return;
    }
    if (loaded_ && written == written_) return;
    written_ = written;
    loaded_ = true;
    read();
}

void hosts_file::read() {
    struct lists {
        address_list ipv4, ipv6;
    };
    std::unordered_map<std::string, lists> found;
    std::ifstream file(path_);
    for (std::string line; std::getline(file, line);) {
        line.erase(std::min(line.find('#'), line.size()));
        std::istringstream words(line);
        std::string word;
        if (!(words >> word)) continue;
        const result<io::socket_address> address = io::socket_address::parse(word, 0);
        if (!address) continue;
        while (words >> word) {
            if (!normalize_host_name(word)) continue;
            lists& known = found[word];
            (address->family() == io::address_family::ipv6 ? known.ipv6 : known.ipv4).push_back(*address);
        }
    }
    names_.clear();
    for (auto& [name, known] : found) names_[name] = {make(std::move(known.ipv4)), make(std::move(known.ipv6))};
}

}  // namespace co_wq::net::dns::detail
