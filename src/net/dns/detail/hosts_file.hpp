// hosts_file: the names that the system's administrator has given, without a query, and the names of addresses.
//
// For:        /etc/hosts. A table of our own and not c-ares' lookup, because that one reads the file again, on the
//             loop's thread, for every question.
// Guarantees: all addresses of all lines of a name, in the file's order; up to names_per_address_max names of an
//             address, in the same order. A zone ("fe80::1%eth0", "fe80::1%2") becomes the address' scope. Lines that
//             make no sense are skipped: no address, a zone that this machine does not have, names that are none. A
//             name that has addresses of one family only is answered with name_no_data for the other: no server is
//             asked.
//             A file that changed is read in slices of slice_bytes: the first at once, which is all of most files, the
//             others by load_more(); until then the table is the former one. Only the first time all is read at once.
//             Of a file larger than file_bytes_max the rest is not read.
// Threads:    the loop's own.
// Source:     hosts(5)
#pragma once

#include <fstream>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "net/dns/detail/answer.hpp"
#include "net/dns/detail/file_watch.hpp"

namespace co_wq::net::dns::detail {

class hosts_table {
public:
    static constexpr std::size_t names_per_address_max = 16;

    void add_line(std::string_view line);
    // Null when the table does not have the name (normalized).
    answer_ptr find(std::string_view name, io::address_family family) const;
    // Null when no line has the address. The port does not matter.
    const std::vector<std::string>* names_of(const io::socket_address& address) const;
    // Drops some of what is in it, so that a large table dies in slices. False: nothing is left.
    bool shrink() noexcept;

private:
    struct entry {
        address_list ipv4, ipv6;
        mutable answer_ptr ipv4_answer, ipv6_answer;  // made when asked for
    };
    struct hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view name) const noexcept { return std::hash<std::string_view>()(name); }
    };
    using names = std::unordered_map<std::string, entry, hash, std::equal_to<>>;
    using addresses = std::unordered_map<std::string, std::vector<std::string>, hash, std::equal_to<>>;
    names names_;
    addresses addresses_;
};

class hosts_file {
public:
    static constexpr std::size_t slice_bytes = 64 * 1024;
    static constexpr std::size_t file_bytes_max = 64 * 1024 * 1024;

    explicit hosts_file(std::string path) : watch_(std::move(path)) {}

    // now: the loop's. loading() may be true afterwards.
    answer_ptr find(std::string_view name, io::address_family family, time_point now);
    const std::vector<std::string>* names_of(const io::socket_address& address, time_point now);
    void look(time_point now);
    bool loading() const noexcept { return loading_; }
    // The next slice of what is to be read, or to be dropped; call it until it says false.
    bool load_more();
    // The next find reads the file.
    void forget() noexcept { watch_.forget(); }

private:
    void begin();
    void read_slice();

    file_watch watch_;
    hosts_table table_, next_;
    std::ifstream file_;
    std::string line_;  // the beginning of one that the last slice did not end
    std::size_t read_bytes_ = 0;
    bool ever_loaded_ = false, loading_ = false, reading_ = false;
};

}  // namespace co_wq::net::dns::detail
