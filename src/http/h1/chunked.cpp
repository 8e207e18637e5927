#include "http/h1/chunked.hpp"

#include <charconv>

#include "base/assert.hpp"

namespace co_wq::http::h1 {

chunk_header::chunk_header(std::uint64_t size) noexcept {
    CO_WQ_REQUIRE(size > 0, "a chunk of no bytes would end the body");
    char* end = std::to_chars(text_, text_ + 16, size, 16).ptr;
    *end++ = '\r';
    *end++ = '\n';
    size_ = static_cast<std::uint8_t>(end - text_);
}

void append_chunk(byte_buffer& out, const_bytes data) {
    if (data.empty()) return;
    out.append(chunk_header(data.size()).text());
    out.append(data);
    out.append(chunk_end);
}

void append_last_chunk(byte_buffer& out, const header_list& trailers) {
    out.append("0\r\n");
    for (const field each : trailers)
        if (!fields_not_in_trailers.has(each.id)) append_field(out, each.name, each.value);
    out.append("\r\n");
}

}  // namespace co_wq::http::h1
