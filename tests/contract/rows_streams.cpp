// Rows of what waits on a connected stream.
#include "stream_rows.hpp"

namespace co_wq::contract {
namespace {

std::vector<variant> joined(std::vector<variant> all, std::initializer_list<std::vector<variant>> more) {
    for (const std::vector<variant>& some : more) all.insert(all.end(), some.begin(), some.end());
    return all;
}

}  // namespace

std::vector<variant> io_recv_awaiter_rows() {
    return joined(
        {{"recv", &make<plain_recv>, receiving_plan(ends("ok x"), ends("ok x|stopped"), at_once("ok x"))},
         {"recv of the end", &make<recv_of_end>, receiving_plan(ends("ok "), ends("ok |stopped"), at_once("ok "))}},
        {pipe_recv_rows(), watch_rows()});
}
std::vector<variant> io_recv_lease_awaiter_rows() {
    return joined({{"recv_lease", &make<lease_recv>, receiving_plan(ends("ok x"), ends("ok x|stopped"), ends("ok x"))}},
                  {pipe_lease_rows()});
}
std::vector<variant> io_send_awaiter_rows() {
    return joined({{"send", &make<plain_send>, sending_plan}}, {pipe_send_rows()});
}
std::vector<variant> io_send_all_awaiter_rows() {
    return joined({{"send_all, 100 bytes", &make<whole_send<100>>, sending_plan},
                   {"send_all, 100 kB", &make<whole_send<100'000>>, sending_plan}},
                  {pipe_send_all_rows()});
}
std::vector<variant> io_send_parts_awaiter_rows() {
    return joined({{"send_all, small parts", &make<parts_send<100>>, sending_plan},
                   {"send_all, large parts", &make<parts_send<100'000>>, sending_plan}},
                  {pipe_send_parts_rows()});
}
std::vector<variant> io_poll_awaiter_rows() {
    return joined({{"ready to read", &make<polling<io::direction::read>>, polling_plan},
                   {"ready to write", &make<polling<io::direction::write>>, polling_plan},
                   {"the peer's end", &make<polling<io::direction::read_end>>, polling_plan},
                   {"the peer gone", &make<polling<io::direction::hang_up>>, polling_plan}},
                  {pipe_poll_rows(), child_rows()});
}

}  // namespace co_wq::contract
