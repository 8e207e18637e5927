// What EXPECT_DEATH awaits: each of the texts, in this order. As a regular expression that would need brackets, which
// GoogleTest's own on Windows do not have.
//
//   EXPECT_DEATH(strand.post(none), says("without a callable", "queue: files"));
#pragma once

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

namespace co_wq::test {

class texts_in_order final : public testing::MatcherInterface<const std::string&> {
public:
    explicit texts_in_order(std::vector<std::string> texts) : texts_(std::move(texts)) {}

    bool MatchAndExplain(const std::string& whole, testing::MatchResultListener* listener) const override {
        std::size_t at = 0;
        for (const std::string& text : texts_) {
            at = whole.find(text, at);
            if (at == whole.npos) {
                *listener << "without \"" << text << "\" in its place";
                return false;
            }
            at += text.size();
        }
        return true;
    }
    void DescribeTo(std::ostream* out) const override {
        *out << "says in this order:";
        for (const std::string& text : texts_) *out << " \"" << text << '"';
    }

private:
    std::vector<std::string> texts_;
};

template <class... Texts>
testing::Matcher<const std::string&> says(const Texts&... texts) {
    return testing::MakeMatcher(new texts_in_order({std::string(texts)...}));
}

}  // namespace co_wq::test
