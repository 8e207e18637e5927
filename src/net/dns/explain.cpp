#include <ares.h>

#include "net/dns/detail/cares_channel.hpp"
#include "net/dns/resolver.hpp"

namespace co_wq::net::dns {

// Errors that come from c-ares carry its status, moved out of the range of errno values.
std::string explain(error what) {
    const int status = what.os_code() - detail::cares_status_base;
    if (status <= ARES_SUCCESS || status > ARES_ESERVICE) return what.message();
    return what.message() + ": " + ares_strerror(status);
}

}  // namespace co_wq::net::dns
