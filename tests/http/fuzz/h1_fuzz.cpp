// libFuzzer target for both parsers and the serialisers. The first byte chooses a side and where the input is cut.
//
// Checked besides memory: the events do not depend on the cut; a head that was accepted and forwarded is accepted again
// and says the same.
//
//   cmake --build build/debug --target http_fuzz && build/debug/bin/http_fuzz -max_len=2000 -max_total_time=60
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "http/error_page.hpp"
#include "http/h1/forward_head.hpp"
#include "http/h1/request_parser.hpp"
#include "http/h1/response_parser.hpp"

namespace {

using namespace co_wq;
using namespace co_wq::http;
using namespace co_wq::http::h1;

void expect(bool holds) {
    if (!holds) std::abort();
}

std::string describe(const header_list& fields) {
    std::string text;
    for (const field each : fields) text += std::string(each.name) + ":" + std::string(each.value) + "\n";
    return text;
}

void forward(const request_head& head) {
    if (head.method == method::connect || head.authority().host.empty()) return;
    if (head.headers.count(field_id::max_forwards) != 0) return;
    byte_buffer out;
    write_forward_request(out, head, {.pseudonym = "fuzz", .absolute_form = head.keep_alive});
    request_parser again;
    const step done = again.parse(out.data());
    expect(done.what == event::head_complete && done.consumed == out.size());
    expect(again.head().framing == head.framing);
    expect(again.head().authority() == head.authority());
    expect(again.head().host == head.authority());
}

void forward(const response_head& head) {
    byte_buffer out;
    const body_kind body = write_forward_response(out, head, {.pseudonym = "fuzz"});
    response_parser again;
    // whether there is a body was decided by the request, which is not known here
    again.begin(body == body_kind::none ? method::head : method::get);
    const step done = again.parse(out.data());
    expect(done.what == event::head_complete && done.consumed == out.size());
    expect(again.head().framing.kind == body && again.head().status == head.status);
}

template <class Parser>
struct listener {
    Parser& parser;
    std::string heard;
    bool over = false;

    void feed(std::string_view piece) {
        const_bytes input = as_bytes(piece);
        while (!over) {
            const step done = parser.parse(input);
            expect(done.consumed <= input.size());
            input = input.subspan(done.consumed);
            note(done);
            if (done.what == event::need_more) return expect(input.empty());
        }
    }

    void note(const step& done) {
        if (done.what == event::head_complete) {
            heard += "\nhead\n" + describe(parser.head().headers);
            forward(parser.head());
        }
        if (done.what == event::body) heard += as_text(done.body);
        if (done.what == event::body_end) {
            heard += "\nend\n" + describe(parser.trailers());
            if constexpr (requires { parser.done(); }) over = parser.done();
        }
        if (done.what == event::error) {
            heard += "\nerror " + std::string(parser.error().reason);
            over = true;
            byte_buffer page;
            write_error_page(page, {.status = parser.error().status, .detail = parser.error().reason});
        }
    }
};

template <class Make>
std::string listen(Make make, std::string_view text, std::size_t piece) {
    auto parser = make();
    listener<typename decltype(parser)::element_type> listening{.parser = *parser, .heard = {}};
    while (!text.empty() && !listening.over) {
        // a copy, so that a sanitizer sees reads behind the piece
        const std::string part(text.substr(0, piece));
        const auto exact = std::make_unique<char[]>(part.size());
        std::copy(part.begin(), part.end(), exact.get());
        listening.feed({exact.get(), part.size()});
        text.remove_prefix(part.size());
    }
    if (!listening.over) listening.note(parser->finish());
    return listening.heard;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    const std::size_t piece = 1 + data[0] / 4 % 32;
    const bool head_asked = (data[0] & 2) != 0;
    if ((data[0] & 1) != 0) {
        const auto make = [] { return std::make_unique<request_parser>(); };
        expect(listen(make, text, text.size()) == listen(make, text, piece));
    } else {
        const auto make = [head_asked] {
            auto parser = std::make_unique<response_parser>();
            parser->begin(head_asked ? method::head : method::get);
            return parser;
        };
        expect(listen(make, text, text.size()) == listen(make, text, piece));
    }
    return 0;
}
