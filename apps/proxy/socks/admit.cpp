#include "proxy/socks/admit.hpp"

#include "proxy/admission.hpp"

namespace co_wq::proxy::socks {
namespace {

policy::question asked(const question& what) {
    return {.listener = what.who.listener,
            .client = policy::ip_address::from(what.who.client),
            .user = what.who.user,
            .method = what.method,
            .host = what.host,
            .port = what.port};
}

decision as_told(const policy::question& what, const policy::decision& one) {
    const refusal no = told(what, one);
    return {.allowed = !no, .why = no.detail(), .rule = one.rule};
}

}  // namespace

decision admit(const question& what) {
    const policy::question put = asked(what);
    return as_told(put, what.who.rules->admit(put));
}

decision admit_address(const question& what, const io::socket_address& peer) {
    return tell(what, judge_address(what, peer));
}

policy::decision judge_address(const question& what, const io::socket_address& peer) {
    return what.who.rules->admit_address(asked(what), peer);
}

decision tell(const question& what, const policy::decision& made) { return as_told(asked(what), made); }

}  // namespace co_wq::proxy::socks
