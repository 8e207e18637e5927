// The library's faults are failures of the model.
#include "base/fault.hpp"

#include "engine/model.hpp"

namespace co_wq {

void raise_fault(fault_kind, const char*, const char* message, fault_context, std::source_location) noexcept {
    model::fail(message);
}
fault_hook set_fault_hook(fault_hook) noexcept { return nullptr; }
void detail::set_chain_writer(chain_writer) noexcept {}

}  // namespace co_wq
