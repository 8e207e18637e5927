#include "proxy/tls_doors.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "net/tls/errors.hpp"

namespace co_wq::proxy {
namespace {

using net::tls::client_certificates;

std::string said(const policy::listener& one, const tls_problem& problem) {
    return "listener \"" + one.name + "\": " + problem.what;
}

template <class Reads>
auto find(Reads& among, const std::string& listener) {
    return std::find_if(among.begin(), among.end(), [&](const tls_read& each) { return each.listener == listener; });
}

}  // namespace

tls_read read_tls(const policy::listener& one) {
    tls_read read;
    read.listener = one.name;
    const policy::tls_files& files = one.tls;
    const std::string& key = files.key.empty() ? files.certificate : files.key;
    const result<std::string> chain = net::tls::read_file(files.certificate);
    if (!chain) {
        read.problem = {"certificate", files.certificate + ": " + net::tls::explain(chain.error())};
        return read;
    }
    result<net::tls::identity> mine = net::tls::identity::from_files(files.certificate, key);
    if (!mine) {
        const bool of_key = mine.error() != errc::certificate_invalid;
        read.problem = {of_key ? "key" : "certificate",
                        (of_key ? key : files.certificate) + ": " + net::tls::explain(mine.error())};
        return read;
    }
    read.options.identities.push_back(std::move(*mine));
    read.options.alpn = {"http/1.1"};
    if (files.only_1_3) read.options.minimum = net::tls::version::tls_1_3;
    if (!files.client_ca.empty()) {
        result<net::tls::trust> house = net::tls::trust::from_file(files.client_ca);
        if (!house) {
            read.problem = {"client_ca", files.client_ca + ": " + net::tls::explain(house.error())};
            return read;
        }
        read.options.client_trust = std::move(*house);
        read.options.ask = files.client_optional ? client_certificates::optional : client_certificates::required;
    }
    const result<net::tls::server_context> tried = net::tls::server_context::make(read.options);
    if (!tried) read.problem = {"certificate", files.certificate + ": " + net::tls::explain(tried.error())};
    return read;
}

std::vector<tls_read> read_tls(const std::vector<policy::listener>& all) {
    std::vector<tls_read> read;
    for (const policy::listener& each : all)
        if (each.tls.used()) read.push_back(read_tls(each));
    return read;
}

std::string tls_doors::open(const std::vector<policy::listener>& all) {
    for (const policy::listener& each : all) {
        names_.push_back(each.name);
        std::optional<net::tls::server_context>& made = contexts_.emplace_back();
        if (!each.tls.used()) continue;
        tls_read read = read_tls(each);
        if (read.problem) return said(each, *read.problem);
        result<net::tls::server_context> context = net::tls::server_context::make(std::move(read.options));
        if (!context) return said(each, {"certificate", net::tls::explain(context.error())});
        made = std::move(*context);
    }
    return {};
}

std::string tls_doors::check(const std::vector<tls_read>& now) const {
    for (std::size_t place = 0; place < contexts_.size(); ++place) {
        const auto found = find(now, names_[place]);
        if ((found != now.end()) != contexts_[place].has_value())
            return "listener \"" + names_[place] + "\" " +
                   (contexts_[place] ? "speaks TLS and has no certificate any more"
                                     : "has a certificate and does not speak TLS so far") +
                   ": an upgrade with SIGUSR2 changes that";
        if (found != now.end() && found->problem) return "listener \"" + names_[place] + "\": " + found->problem->what;
    }
    return {};
}

void tls_doors::reload(std::vector<tls_read> now) {
    for (std::size_t place = 0; place < contexts_.size(); ++place) {
        if (!contexts_[place]) continue;
        const auto found = find(now, names_[place]);
        // read_tls has made a context of the same, so there is nothing to refuse but memory
        const result<void> done = contexts_[place]->reload(std::move(found->options));
        if (!done)
            log::error("listener \"{}\" keeps its certificate: {}", names_[place], net::tls::explain(done.error()));
    }
}

}  // namespace co_wq::proxy
