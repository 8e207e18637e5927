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

decision as_told(const question& what, const policy::decision& one) {
    if (what.quiet) {
        if (one.reported) (void)what.reported.add(one);
        return {.allowed = one.allowed(), .why = one.text(), .rule = one.rule};
    }
    const refusal no = told(asked(what), one, what.reported);
    return {.allowed = !no, .why = no.detail(), .rule = one.rule};
}

}  // namespace

decision admit(const question& what) {
    const policy::decision made = what.who.rules->admit(asked(what));
    decision told = as_told(what, made);
    told.route = made.way;
    told.by_address = made.by_address;
    told.needs_address = made.needs_address;
    return told;
}

decision admit_client(const asker& who, std::string_view method) {
    let_through none;
    const question what{.who = who, .method = method, .reported = none};
    return as_told(what, who.rules->admit_client(asked(what)));
}

decision admit_address(const question& what, const io::socket_address& peer) {
    return tell(what, judge_address(what, peer));
}

policy::decision judge_address(const question& what, const io::socket_address& peer) {
    return what.who.rules->admit_address(asked(what), peer);
}

decision tell(const question& what, const policy::decision& made) { return as_told(what, made); }

}  // namespace co_wq::proxy::socks
