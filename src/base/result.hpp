// result<T>: a value or an error; the return type of everything that may fail for reasons outside the program.
//
//   result<std::size_t> got = co_await stream.recv(buffer);
//   if (!got) co_return std::unexpected(got.error());
#pragma once

#include <expected>

#include "base/error.hpp"

namespace co_wq {

template <class T>
using result = std::expected<T, error>;

inline std::unexpected<error> fail(errc code, int os_code = 0) noexcept {
    return std::unexpected(error(code, os_code));
}
inline std::unexpected<error> fail(error what) noexcept { return std::unexpected(what); }

}  // namespace co_wq
