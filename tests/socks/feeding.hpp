// A message fed to a parser in every way it can be cut.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "proxy/socks/gather.hpp"

namespace co_wq::proxy::socks {

// Text with zero bytes in it.
template <std::size_t Size>
std::string bytes_of(const char (&literal)[Size]) {
    return {literal, Size - 1};
}

// How the text is judged, fed in pieces of a size; what is left of it goes to left.
template <class Parse>
step fed(std::string_view text, std::size_t piece, Parse&& parse, std::string& left) {
    std::string have;
    for (std::size_t at = 0;; at += piece) {
        const std::string_view arrived = text.substr(std::min(at, text.size()), piece);
        const_bytes rest = as_bytes(arrived);
        const step now = gather(have, rest, parse);
        if (now.what != progress::need_more || at + piece >= text.size()) {
            left = std::string(as_text(rest)) + std::string(text.substr(std::min(at + piece, text.size())));
            return now;
        }
        EXPECT_TRUE(rest.empty()) << "who needs more has taken all there is";
    }
}

// The message is read to its last byte and not further, and every beginning of it asks for more, but for no more than
// it has. check() looks at what was read each time.
template <class Parse, class Check>
void expect_whole(std::string_view message, Parse&& parse, Check&& check) {
    for (const std::string_view behind : {"", "x", "\5\1\0and more of it"}) {
        const std::string text = std::string(message) + std::string(behind);
        for (const std::size_t piece :
             {text.size() + 1, std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{7}}) {
            std::string left;
            const step now = fed(text, piece, parse, left);
            ASSERT_EQ(now.what, progress::done) << piece;
            EXPECT_EQ(now.size, message.size());
            EXPECT_EQ(left, behind);
            check();
        }
    }
    for (std::size_t size = 0; size < message.size(); ++size) {
        const step now = parse(as_bytes(message.substr(0, size)));
        ASSERT_EQ(now.what, progress::need_more) << size;
        EXPECT_GT(now.size, size);
        EXPECT_LE(now.size, message.size()) << "nobody waits for bytes that need not come";
    }
}

// Wrong from this many bytes on, however they are cut; before, it could still become right.
template <class Parse>
void expect_wrong(std::string_view message, std::size_t from, Parse&& parse) {
    for (std::size_t size = 0; size < from; ++size)
        EXPECT_EQ(parse(as_bytes(message.substr(0, size))).what, progress::need_more) << size;
    for (const std::size_t piece : {message.size() + 1, std::size_t{1}, std::size_t{3}}) {
        std::string left;
        EXPECT_EQ(fed(message, piece, parse, left).what, progress::wrong) << piece;
    }
    EXPECT_EQ(parse(as_bytes(message.substr(0, from))).what, progress::wrong);
}

}  // namespace co_wq::proxy::socks
