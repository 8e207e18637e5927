#include "http/h1/chunked.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "h1/dialogue.hpp"

namespace co_wq::http::h1 {
namespace {

TEST(chunked, a_header_is_the_size_in_hexadecimal) {
    EXPECT_EQ(chunk_header(1).text(), "1\r\n");
    EXPECT_EQ(chunk_header(255).text(), "ff\r\n");
    EXPECT_EQ(chunk_header(std::numeric_limits<std::uint64_t>::max()).text(), "ffffffffffffffff\r\n");
}

TEST(chunked, no_data_writes_no_chunk_because_that_would_end_the_body) {
    byte_buffer out;
    append_chunk(out, {});
    EXPECT_TRUE(out.empty());
}

TEST(chunked, trailers_that_must_not_be_are_left_out) {
    header_list trailers;
    trailers.add("X-Sum", "1");
    trailers.add("Content-Length", "5");
    trailers.add("host", "a");
    byte_buffer out;
    append_last_chunk(out, trailers);
    EXPECT_EQ(out.text(), "0\r\nX-Sum: 1\r\n\r\n");
}

TEST(chunked, what_is_written_is_read_back) {
    byte_buffer out;
    out.append("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    std::string body;
    for (std::size_t size = 1; size < 40; ++size) {
        const std::string piece(size, static_cast<char>('a' + size % 26));
        append_chunk(out, as_bytes(piece));
        body += piece;
    }
    header_list trailers;
    trailers.add("X-Sum", "1");
    append_last_chunk(out, trailers);
    EXPECT_EQ(test::response(out.text()),
              "200 [OK] 1.1 chunked keep-alive\n  Transfer-Encoding=chunked\nbody " + body + "\nend\n  X-Sum=1\n");
}

}  // namespace
}  // namespace co_wq::http::h1
