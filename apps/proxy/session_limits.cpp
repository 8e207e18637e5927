// What a session makes of the limits: whom it turns away, and what takes too long.
#include "proxy/session.hpp"
#include "sync/deadline.hpp"

namespace co_wq::proxy {

http::parse_limits parse_limits_of(const limits& chosen) noexcept {
    http::parse_limits made;
    made.head_bytes_max = chosen.header_bytes_max;
    made.fields_max = chosen.header_fields_max;
    made.start_line_bytes_max =
        std::min<std::size_t>(made.head_bytes_max, chosen.uri_bytes_max + std::size_t{request_line_rest});
    return made;
}

// False: it is over a limit and too many are, to tell it so.
bool session::welcome() {
    if (guest_.arrive(policy::ip_address::from(client_address()))) return true;
    client_.reset();
    return false;
}

// Who is turned away is not waited for as long as others.
duration session::header_wait() const noexcept {
    const duration usual = server_.limit().header_timeout;
    return guest_.turned_away() ? std::min<duration>(usual, std::chrono::seconds(2)) : usual;
}

void session::note_denial(const denial& no) {
    note_.decision = decided::deny;
    if (server_.seeing().detailed()) note_.rule = no.rule();
    ++server_.count().limited[static_cast<std::size_t>(no.which)];
    server_.group().limiter().tell(no.which, client_address().host(), admission_.user(), server_.loop().now());
}

task<verdict> session::deny(const denial& no) {
    if (!note_.open) begin_note();
    retry_after_s_ = no.retry_after_s;
    const std::string text = no.text();
    note_denial(no);
    const verdict refused = co_await refuse(no.status(), text, no.keeps());
    retry_after_s_ = 0;
    co_return refused;
}

// What is left undone then ends as it would for want of a byte, and is noted as what it is.
task<verdict> session::answer_in_time(duration most) {
    const time_point until = saturating_add(server_.loop().now(), most);
    const verdict next = co_await with_deadline(until, answer_watched());
    const bool cut = note_.up == ended::idle || note_.down == ended::idle || note_.status == 504;
    if (!cut || server_.loop().now() < until) co_return next;
    for (ended* each : {&note_.up, &note_.down})
        if (*each == ended::idle) *each = ended::limit;
    if (server_.seeing().detailed() && note_.decision == decided::allow) note_.rule = rule_of(limit_kind::request_time);
    ++server_.count().limited[static_cast<std::size_t>(limit_kind::request_time)];
    co_return next;
}

}  // namespace co_wq::proxy
