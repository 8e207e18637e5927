#include "http/h1/request_parser.hpp"

#include "base/assert.hpp"
#include "http/h1/detail/head_rules.hpp"

namespace co_wq::http::h1 {

step request_parser::parse(const_bytes input) {
    CO_WQ_REQUIRE(!reader_.failed(), "a parser that refused a request reads no more");
    if (reader_.over()) {
        reader_.restart();
        head_.headers.clear();
        forget_words();
        trailers_.clear();
    }
    if (!reader_.in_head()) return reader_.read_body(input, trailers_);
    const step done = reader_.read_head(input, head_.headers);
    return done.what == event::head_complete ? end_head(done) : done;
}

step request_parser::end_head(step done) {
    head_.version = reader_.version();
    head_.method_at = reader_.method_at();
    head_.target_at = reader_.target_or_reason_at();
    head_.method = method_from(head_.method_text());
    // our reasons come before llhttp's: they are the more precise ones
    if (auto ok = parse_target(head_.method, head_.target_text(), head_.target); !ok) return reader_.fail(ok.error());
    if (!reader_.parsed()) return reader_.fail(reader_.verdict().error());
    if (auto ok = detail::apply_request_rules(head_, limits_); !ok) return reader_.fail(ok.error());
    if (!reader_.verdict()) return reader_.fail(reader_.verdict().error());
    if (!reader_.agrees(head_.framing)) return reader_.fail({400, "body length can be read in two ways"});
    // CONNECT has no body, even if it says so with a Content-Length of 0
    reader_.set_body(head_.method == method::connect ? framing{} : head_.framing, head_.headers.size());
    return done;
}

// What names places in the text that is gone; a request that is refused early has none.
void request_parser::forget_words() noexcept {
    head_.method = method::get;
    head_.method_at = head_.target_at = {};
}

step request_parser::finish() noexcept {
    if (idle()) return {};
    return reader_.finish();
}

void request_parser::release_memory(std::size_t keep) noexcept {
    CO_WQ_REQUIRE(idle(), "the memory of a request is given back between requests");
    head_.headers.reset(keep);
    forget_words();
    trailers_.reset(keep);
}

}  // namespace co_wq::http::h1
