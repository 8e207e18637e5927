// What a slow reader leaves unsent.
#include "net/tls/detail/outgoing.hpp"

#include "world.hpp"

namespace co_wq::net::tls::test {
namespace {

class tls_outgoing : public io::test::on_every_reactor {};

// A reader that takes a little again and again, and never all: what has gone out must not be kept.
TEST_P(tls_outgoing, holds_no_more_behind_a_slow_reader_than_it_says) {
    auto play = [](io::event_loop& with) -> task<void> {
        io::test::connection raw = co_await io::test::make_connection(with);
        detail::outgoing out(raw.near);
        const std::vector<std::byte> piece(1000);
        std::vector<std::byte> room(1000);
        std::size_t most = 0, taken = 0;
        while (taken < 5 * detail::outgoing::kept_bytes_max) {
            while (out.kept_bytes() < detail::outgoing::kept_bytes_max / 2) {
                const bool fits = out.put(piece);
                EXPECT_TRUE(fits);
                if (!fits || out.failure()) co_return;
            }
            most = std::max(most, out.memory_bytes());
            const result<std::size_t> got = co_await raw.far.recv(room);
            EXPECT_TRUE(got.has_value());
            if (!got) co_return;
            taken += *got;
            out.flush();
        }
        EXPECT_LE(most, 2 * detail::outgoing::kept_bytes_max);
        std::vector<std::byte> much(detail::outgoing::kept_bytes_max);
        EXPECT_FALSE(out.put(much));
    };
    loop->run(play(*loop));
}

TEST_P(tls_outgoing, goes_out_whole_and_in_order) {
    auto play = [](io::event_loop& with, std::size_t bytes) -> task<void> {
        io::test::connection raw = co_await io::test::make_connection(with);
        detail::outgoing out(raw.near);
        const std::string text = pattern(bytes);
        std::string heard;
        std::vector<std::byte> room(10'007);
        for (std::size_t put = 0; heard.size() < text.size();) {
            const std::size_t size = std::min<std::size_t>(997, text.size() - put);
            if (size > 0 && out.put(as_bytes(std::string_view(text).substr(put, size)))) {
                put += size;
                continue;
            }
            const result<std::size_t> got = co_await raw.far.recv(room);
            EXPECT_TRUE(got.has_value() && *got > 0);
            if (!got || *got == 0) co_return;
            heard += as_text(const_bytes(room).first(*got));
            out.flush();
        }
        EXPECT_TRUE(heard == text);
        EXPECT_TRUE(out.empty());
        EXPECT_EQ(out.memory_bytes(), 0u);
    };
    loop->run(play(*loop, GetParam().kind == io::reactor_kind::sim ? 600'000 : 3'000'000));
}

INSTANTIATE_TEST_SUITE_P(reactors, tls_outgoing, io::test::every_reactor, io::test::name_of_case);

}  // namespace
}  // namespace co_wq::net::tls::test
