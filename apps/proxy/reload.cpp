#include "proxy/reload.hpp"

namespace co_wq::proxy {

read_again_result read_again(const program& self) {
    read_again_result read;
    std::vector<std::string> words{"co_http_proxy"};
    words.insert(words.end(), self.arguments.begin(), self.arguments.end());
    std::vector<char*> pointers;
    for (std::string& each : words) pointers.push_back(each.data());
    pointers.push_back(nullptr);
    const parse_outcome outcome =
        parse_options(static_cast<int>(words.size()), pointers.data(), read.chosen, &read.problems);
    if (outcome != parse_outcome::run && read.problems.empty()) read.problems.emplace_back("nothing to run");
    if (read.problems.empty()) read.tls = read_tls(read.chosen.rules.listeners);
    return read;
}

}  // namespace co_wq::proxy
