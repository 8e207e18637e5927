// What stands where a PROXY header should: however it is cut, the same; bounded; what names two addresses is written
// again to what reads the same, and of a version 2 header every byte of the fixed part and of a checked one counts.
// Input: a byte that cuts, then the text. A text that begins with 0xff gets version 2's signature for it.
#include "fuzzing.hpp"
#include "proxy/socks/proxy_header.hpp"

namespace {

using namespace co_wq;
using namespace co_wq::proxy::socks;

struct outcome {
    step last;
    std::size_t taken = 0;
    proxy_header header;
};

outcome feed(std::string_view text, const fuzz::cuts& at) {
    std::string have;
    outcome out;
    std::size_t begin = 0;
    for (std::size_t i = 0; i <= at.size(); ++i) {
        const std::size_t end = i < at.size() ? at[i] : text.size();
        const_bytes left = as_bytes(text.substr(begin, end - begin));
        out.last = gather(have, left, [&](const_bytes so_far) {
            out.header = {};
            return parse_proxy_header(so_far, out.header);
        });
        out.taken = end - left.size();
        if (out.last.what != progress::need_more) return out;
        fuzz::demand(left.empty(), "who needs more has taken all there is", text);
        begin = end;
    }
    return out;
}

void expect_to_be_a_header(std::string_view text, const outcome& got) {
    const bool v1 = text[0] == 'P';
    fuzz::demand(got.taken == got.last.size, "no byte behind it is taken", text);
    fuzz::demand(got.taken <= (v1 ? proxy_header_v1_max : proxy_header_v2_max), "headers are bounded", text);
    for (std::size_t size = 0; size < got.taken; ++size) {
        proxy_header ignored;
        const step before = parse_proxy_header(as_bytes(text.substr(0, size)), ignored);
        fuzz::demand(before.what == progress::need_more && before.size > size && before.size <= got.taken,
                     "what is not whole asks for more, but for no more than comes", text);
    }
    const std::string_view line = text.substr(0, got.taken);
    fuzz::demand(!v1 || (line.ends_with("\r\n") && line.find_first_of("\r\n") == line.size() - 2), "one line", text);
    const io::socket_address &source = got.header.source, &destination = got.header.destination;
    fuzz::demand(source.family() == destination.family(), "both ends are of one family", text);
    if (source.family() == io::address_family::none) return;
    for (const proxy_header_version version : {proxy_header_version::v1, proxy_header_version::v2}) {
        const std::string again = write_proxy_header(version, source, destination);
        const outcome read = feed(again, {});
        fuzz::demand(read.last.what == progress::done && read.taken == again.size() && read.header.source == source &&
                         read.header.destination == destination,
                     "what is written reads the same", text);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::input from(data, size);
    const std::uint32_t seed = from.choice();
    std::string text(from.rest());
    if (text.starts_with('\xff')) text.replace(0, 1, "\r\n\r\n\0\r\nQUIT\n", 12);
    const outcome whole = feed(text, {});
    for (const fuzz::cuts& at : {fuzz::every_byte(text.size()), fuzz::pieces_of(text.size(), seed)}) {
        const outcome cut = feed(text, at);
        // of what is wrong, how much was looked at before that showed depends on the pieces
        const bool same = cut.last.what == whole.last.what && cut.last.size == whole.last.size;
        fuzz::demand(same && (cut.last.what == progress::wrong || cut.taken == whole.taken),
                     "however it is cut, the same", text);
    }
    if (whole.last.what == progress::wrong) fuzz::demand(!whole.header.why.empty(), "a refusal says why", text);
    if (whole.last.what == progress::done) expect_to_be_a_header(text, whole);
    return 0;
}
