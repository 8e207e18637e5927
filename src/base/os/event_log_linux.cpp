#include "base/os/event_log.hpp"

namespace co_wq::os {

event_log::~event_log() = default;
result<event_log> event_log::open(const std::string&) { return fail(errc::not_supported); }
void event_log::report(kind, std::string_view) noexcept {}

result<void> register_event_source(const std::string&) { return fail(errc::not_supported); }
result<void> forget_event_source(const std::string&) { return fail(errc::not_supported); }

}  // namespace co_wq::os
