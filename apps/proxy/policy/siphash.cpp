#include "proxy/policy/siphash.hpp"

#include <bit>
#include <random>

namespace co_wq::proxy::policy {
namespace {

struct state {
    std::uint64_t v0, v1, v2, v3;

    void round() noexcept {
        v0 += v1;
        v1 = std::rotl(v1, 13) ^ v0;
        v0 = std::rotl(v0, 32);
        v2 += v3;
        v3 = std::rotl(v3, 16) ^ v2;
        v0 += v3;
        v3 = std::rotl(v3, 21) ^ v0;
        v2 += v1;
        v1 = std::rotl(v1, 17) ^ v2;
        v2 = std::rotl(v2, 32);
    }
    void take(std::uint64_t word) noexcept {
        v3 ^= word;
        round();
        round();
        v0 ^= word;
    }
    std::uint64_t finish() noexcept {
        for (int count = 0; count < 4; ++count) round();
        return v0 ^ v1 ^ v2 ^ v3;
    }
};

// Up to eight bytes, the first one lowest.
std::uint64_t word_of(std::string_view text) noexcept {
    std::uint64_t word = 0;
    for (std::size_t at = 0; at < text.size() && at < 8; ++at)
        word |= std::uint64_t{static_cast<unsigned char>(text[at])} << (8 * at);
    return word;
}

}  // namespace

siphash_key random_siphash_key() {
    std::random_device random;
    const auto word = [&] { return std::uint64_t{random()} << 32 | random(); };
    const std::uint64_t first = word();
    return {first, word()};
}

std::array<std::uint64_t, 2> siphash_128(const siphash_key& key, std::string_view text) noexcept {
    state s{key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d ^ 0xee, key[0] ^ 0x6c7967656e657261,
            key[1] ^ 0x7465646279746573};
    const std::uint64_t length = text.size();
    for (; text.size() >= 8; text.remove_prefix(8)) s.take(word_of(text));
    s.take(word_of(text) | length << 56);
    s.v2 ^= 0xee;
    const std::uint64_t first = s.finish();
    s.v1 ^= 0xdd;
    return {first, s.finish()};
}

}  // namespace co_wq::proxy::policy
