// Where the room dns is not built.
#include "rows.hpp"

namespace co_wq::contract {

std::vector<variant> net_dns_awaited_lookup_rows() {
    return {{"name lookup", nullptr, absent_plan("the room dns is not built here")}};
}

}  // namespace co_wq::contract
