#include "http/h1/response_parser.hpp"

#include "base/assert.hpp"
#include "http/h1/detail/head_rules.hpp"

namespace co_wq::http::h1 {

void response_parser::begin(method asked) noexcept {
    CO_WQ_REQUIRE(idle(), "a response begins after the one before has ended");
    asked_ = asked;
    interims_ = 0;
    reader_.restart();
    head_.headers.clear();
    trailers_.clear();
}

step response_parser::parse(const_bytes input) {
    CO_WQ_REQUIRE(!reader_.failed(), "a parser that refused a response reads no more");
    CO_WQ_REQUIRE(!done(), "begin() tells which request the next response answers");
    if (reader_.over()) {  // an interim response is
        reader_.restart();
        head_.headers.clear();
    }
    if (!reader_.in_head()) return as_gateway(reader_.read_body(input, trailers_));
    const step done = reader_.read_head(input, head_.headers);
    return as_gateway(done.what == event::head_complete ? end_head(done) : done);
}

step response_parser::end_head(step done) {
    if (!reader_.parsed()) return reader_.fail(reader_.verdict().error());
    head_.version = reader_.version();
    head_.status = reader_.status();
    head_.reason_at = reader_.target_or_reason_at();
    if (auto ok = detail::apply_response_rules(head_, asked_, limits_); !ok) return reader_.fail(ok.error());
    if (!reader_.verdict()) return reader_.fail(reader_.verdict().error());
    if (!reader_.agrees(head_.framing)) return reader_.fail({502, "body length can be read in two ways"});
    if (head_.interim() && ++interims_ > limits_.interim_responses_max)
        return reader_.fail({502, "too many interim responses"});
    reader_.set_body(head_.framing, head_.headers.size());
    return done;
}

// Whatever is wrong with a response, the client hears 502.
step response_parser::as_gateway(step done) noexcept {
    if (done.what != event::error) return done;
    return reader_.fail({502, reader_.error().reason});
}

step response_parser::finish() noexcept {
    if (done()) return {.consumed = 0, .what = event::body_end, .body = {}};
    if (idle()) return reader_.fail({502, "server closed the connection without an answer"});
    return as_gateway(reader_.finish());
}

void response_parser::release_memory(std::size_t keep) noexcept {
    CO_WQ_REQUIRE(idle(), "the memory of a response is given back between responses");
    head_.headers.reset(keep);
    trailers_.reset(keep);
}

}  // namespace co_wq::http::h1
