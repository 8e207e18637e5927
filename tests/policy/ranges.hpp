// Each range that is not global unicast, with its first and last address and what is next to it, computed by
// Python's ipaddress and not by our own arithmetic.
#pragma once

namespace co_wq::proxy::policy {

enum class beside { nothing, refused, open };

struct range_row {
    const char *range, *first, *last;
    const char* before;
    beside before_is;
    const char* after;
    beside after_is;
};

inline constexpr range_row range_rows[] = {
    {"0.0.0.0/8", "0.0.0.0", "0.255.255.255", "", beside::nothing, "1.0.0.0", beside::open},
    {"10.0.0.0/8", "10.0.0.0", "10.255.255.255", "9.255.255.255", beside::open, "11.0.0.0", beside::open},
    {"100.64.0.0/10", "100.64.0.0", "100.127.255.255", "100.63.255.255", beside::open, "100.128.0.0", beside::open},
    {"127.0.0.0/8", "127.0.0.0", "127.255.255.255", "126.255.255.255", beside::open, "128.0.0.0", beside::open},
    {"169.254.0.0/16", "169.254.0.0", "169.254.255.255", "169.253.255.255", beside::open, "169.255.0.0", beside::open},
    {"172.16.0.0/12", "172.16.0.0", "172.31.255.255", "172.15.255.255", beside::open, "172.32.0.0", beside::open},
    {"192.0.0.0/24", "192.0.0.0", "192.0.0.255", "191.255.255.255", beside::open, "192.0.1.0", beside::open},
    {"192.0.2.0/24", "192.0.2.0", "192.0.2.255", "192.0.1.255", beside::open, "192.0.3.0", beside::open},
    {"192.88.99.0/24", "192.88.99.0", "192.88.99.255", "192.88.98.255", beside::open, "192.88.100.0", beside::open},
    {"192.168.0.0/16", "192.168.0.0", "192.168.255.255", "192.167.255.255", beside::open, "192.169.0.0", beside::open},
    {"198.18.0.0/15", "198.18.0.0", "198.19.255.255", "198.17.255.255", beside::open, "198.20.0.0", beside::open},
    {"198.51.100.0/24", "198.51.100.0", "198.51.100.255", "198.51.99.255", beside::open, "198.51.101.0", beside::open},
    {"203.0.113.0/24", "203.0.113.0", "203.0.113.255", "203.0.112.255", beside::open, "203.0.114.0", beside::open},
    {"224.0.0.0/4", "224.0.0.0", "239.255.255.255", "223.255.255.255", beside::open, "240.0.0.0", beside::refused},
    {"240.0.0.0/4", "240.0.0.0", "255.255.255.255", "239.255.255.255", beside::refused, "", beside::nothing},
    {"::", "::", "::", "", beside::nothing, "::1", beside::refused},
    {"::1", "::1", "::1", "::", beside::refused, "::2", beside::refused},
    {"::ffff:0:0/96", "::ffff:0:0", "::ffff:ffff:ffff", "::fffe:ffff:ffff", beside::refused, "::1:0:0:0",
     beside::refused},
    {"::/96", "::", "::ffff:ffff", "", beside::nothing, "::1:0:0", beside::refused},
    {"64:ff9b::/96", "64:ff9b::", "64:ff9b::ffff:ffff", "64:ff9a:ffff:ffff:ffff:ffff:ffff:ffff", beside::refused,
     "64:ff9b::1:0:0", beside::refused},
    {"64:ff9b:1::/48", "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "64:ff9b:0:ffff:ffff:ffff:ffff:ffff",
     beside::refused, "64:ff9b:2::", beside::refused},
    {"2002::/16", "2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
     beside::open, "2003::", beside::open},
    {"2001::/32", "2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
     beside::open, "2001:1::", beside::open},
    {"100::/64", "100::", "100::ffff:ffff:ffff:ffff", "ff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", beside::refused,
     "100:0:0:1::", beside::refused},
    {"2001:db8::/32", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff",
     beside::open, "2001:db9::", beside::open},
    {"fc00::/7", "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
     beside::refused, "fe00::", beside::refused},
    {"fe80::/10", "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
     beside::refused, "fec0::", beside::refused},
    {"fec0::/10", "fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
     beside::refused, "ff00::", beside::refused},
    {"ff00::/8", "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
     beside::refused, "", beside::nothing},
    {"2001:2::/48", "2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", "2001:1:ffff:ffff:ffff:ffff:ffff:ffff",
     beside::open, "2001:2:1::", beside::open},
    {"2001:10::/28", "2001:10::", "2001:1f:ffff:ffff:ffff:ffff:ffff:ffff", "2001:f:ffff:ffff:ffff:ffff:ffff:ffff",
     beside::open, "2001:20::", beside::refused},
    {"2001:20::/28", "2001:20::", "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff", "2001:1f:ffff:ffff:ffff:ffff:ffff:ffff",
     beside::refused, "2001:30::", beside::open},
    {"3fff::/20", "3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
     beside::open, "3fff:1000::", beside::open},
};
}  // namespace co_wq::proxy::policy
