// Network interfaces by name.
#include "io/backend/native_headers.hpp"

#ifdef _WIN32
#include <netioapi.h>
#else
#include <net/if.h>
#endif

#include <algorithm>

#include "io/interface_index.hpp"

namespace co_wq::io {

result<std::uint32_t> interface_index(std::string_view name) noexcept {
    char text[IF_NAMESIZE] = {};
    if (name.empty() || name.size() >= sizeof text || name.find('\0') != name.npos) return fail(errc::not_found);
    std::copy(name.begin(), name.end(), text);
    const unsigned index = ::if_nametoindex(text);
    if (index == 0) return fail(errc::not_found);
    return index;
}

}  // namespace co_wq::io
