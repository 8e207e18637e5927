// Asks DNS as dig(1) does: resolve [@SERVER] NAME|ADDRESS [TYPE]. Shows every kind of question, and a time limit.
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "io/event_loop.hpp"
#include "net/dns/resolver.hpp"

namespace {

using namespace co_wq;
using namespace co_wq::net;

constexpr duration patience = std::chrono::seconds(10);

int failed(error why) {
    std::fprintf(stderr, "%s\n", dns::explain(why).c_str());
    return 1;
}

task<int> show_addresses(dns::resolver& names, std::string name) {
    const result<dns::addresses> found = co_await names.lookup(name, 0, {.timeout = patience});
    if (!found) co_return failed(found.error());
    for (const std::string& one : found->aliases) std::printf("%s is an alias\n", one.c_str());
    for (const io::socket_address& one : found->list)
        std::printf("%s has address %s\n", found->canonical.c_str(), one.host().c_str());
    co_return 0;
}

task<int> show_names(dns::resolver& names, io::socket_address address) {
    const result<std::vector<std::string>> found = co_await names.reverse(address, {.timeout = patience});
    if (!found) co_return failed(found.error());
    for (const std::string& one : *found) std::printf("%s is %s\n", address.host().c_str(), one.c_str());
    co_return 0;
}

task<int> show_services(dns::resolver& names, std::string name) {
    const result<std::vector<dns::service>> found =
        co_await names.services(name, {.timeout = patience, .addresses = true});
    if (!found) co_return failed(found.error());
    for (const dns::service& one : *found) {
        std::printf("priority %d weight %d %s:%d", one.priority, one.weight, one.target.c_str(), one.port);
        for (const io::socket_address& address : one.addresses) std::printf(" %s", address.host().c_str());
        std::printf("\n");
    }
    co_return 0;
}

task<int> show_mail(dns::resolver& names, std::string name) {
    const result<std::vector<dns::mail_exchanger>> found = co_await names.mail_exchangers(name, {.timeout = patience});
    if (!found) co_return failed(found.error());
    for (const dns::mail_exchanger& one : *found) std::printf("preference %d %s\n", one.preference, one.host.c_str());
    co_return 0;
}

task<int> show_texts(dns::resolver& names, std::string name) {
    const result<std::vector<dns::text_record>> found = co_await names.texts(name, {.timeout = patience});
    if (!found) co_return failed(found.error());
    for (const dns::text_record& one : *found) std::printf("text %s\n", one.joined().c_str());
    co_return 0;
}

// Any other type, by its number.
task<int> show_records(dns::resolver& names, std::string name, int type) {
    const result<dns::record_set> found =
        co_await names.query(name, static_cast<dns::record_type>(type), {.timeout = patience});
    if (!found) co_return failed(found.error());
    for (const dns::record& one : found->records) {
        std::printf("%s type %d for %lld s:", one.name.c_str(), static_cast<int>(one.type),
                    static_cast<long long>(one.ttl.count()));
        for (const char byte : one.data) std::printf(" %02x", static_cast<unsigned char>(byte));
        std::printf("\n");
    }
    co_return 0;
}

task<int> ask(dns::resolver& names, std::string name, std::string type) {
    const result<io::socket_address> address = io::socket_address::parse(name, 0);
    if (address) return show_names(names, *address);
    if (type.empty()) return show_addresses(names, name);
    if (type == "srv") return show_services(names, name);
    if (type == "mx") return show_mail(names, name);
    if (type == "txt") return show_texts(names, name);
    return show_records(names, name, std::atoi(type.c_str()));
}

}  // namespace

int main(int count, char** words) {
    std::vector<std::string> left(words + 1, words + count);
    dns::resolver_options options;
    if (!left.empty() && left[0].starts_with('@')) {
        options.servers = left[0].substr(1);
        left.erase(left.begin());
    }
    if (left.empty() || left.size() > 2) {
        std::fprintf(stderr, "usage: resolve [@SERVER[:PORT]] NAME|ADDRESS [srv|mx|txt|NUMBER]\n");
        return 2;
    }
    try {
        io::event_loop loop;
        dns::resolver names(loop, options);
        return loop.run(ask(names, left[0], left.size() > 1 ? left[1] : ""));
    } catch (const std::runtime_error& why) {
        std::fprintf(stderr, "%s\n", why.what());
        return 2;
    }
}
