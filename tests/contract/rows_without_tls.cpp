// Where the room tls is not built.
#include "rows.hpp"

namespace co_wq::contract {
namespace {
constexpr plan absent = absent_plan("the room tls is not built here");
}

std::vector<variant> net_tls_dtls_awaiter_rows() { return {{"DTLS", nullptr, absent}}; }
std::vector<variant> net_tls_handshake_awaiter_rows() { return {{"TLS handshake", nullptr, absent}}; }
std::vector<variant> net_tls_recv_awaiter_rows() { return {{"TLS recv", nullptr, absent}}; }
std::vector<variant> net_tls_recv_lease_awaiter_rows() { return {{"TLS recv_lease", nullptr, absent}}; }
std::vector<variant> net_tls_either_awaiter_rows() { return {{"TLS either", nullptr, absent}}; }
std::vector<variant> net_tls_send_awaiter_rows() { return {{"TLS send", nullptr, absent}}; }

}  // namespace co_wq::contract
