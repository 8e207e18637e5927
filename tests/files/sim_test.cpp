// Files of simulated loops: the same calls, late, cut short, interrupted and refused, by seed.
#include <set>

#include "base/random.hpp"
#include "world.hpp"

namespace co_wq::io::test {
namespace {

class simulated {
public:
    explicit simulated(std::uint64_t seed, std::size_t disk_pages = 16 * 1024)
        : loop_(backend{reactor_kind::sim, seed}) {
        sim_options options = network().options();
        options.disk_pages = disk_pages;
        network().set_options(options);
    }
    ~simulated() {
        EXPECT_EQ(file_buffers(*loop_).lent(), 0u);
        EXPECT_EQ(loop_->reactor().descriptors().live(), 0u);
    }
    event_loop& operator*() { return *loop_; }
    event_loop* operator->() { return &*loop_; }
    sim_network& network() { return dynamic_cast<reactor_sim&>(loop_->reactor()).network(); }
    // Lets what is under way come to its end.
    void settle() {
        auto waits = [](event_loop& here) -> task<void> {
            for (int i = 0; i < 100; ++i) {
                std::size_t left = 0;
                here.slots().for_each_live([&](op_slot& slot) { left += slot.kind() == op_kind::file; });
                if (left == 0) co_return;
                (void)co_await sleep_for(std::chrono::milliseconds(10));
            }
        };
        loop_->run(waits(*loop_));
    }

private:
    loop_under_test loop_;
};

std::string pattern(std::size_t size) {
    std::string made(size, '\0');
    for (std::size_t i = 0; i < size; ++i) made[i] = static_cast<char>('a' + i * 7 % 26);
    return made;
}

task<result<void>> fill(event_loop& here, std::string where, std::string text) {
    const file to = co_await opened(here, where, fresh);
    for (std::size_t at = 0; at < text.size(); at += 30'000) {
        const file_written done = co_await to.write_at(at, block_of(here, text.substr(at, 30'000)));
        if (!done.outcome) co_return done.outcome;
    }
    co_return result<void>{};
}

task<std::string> contents(event_loop& here, std::string where) {
    const file from = co_await opened(here, where);
    std::string all;
    for (;;) {
        const result<lease> got = co_await from.read_at(all.size(), 50'000);
        if (!got || got->empty()) co_return all;
        all += as_text(got->data());
    }
}

TEST(simulated_files, the_same_calls_do_the_same) {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        simulated loop(seed);
        auto work = [](event_loop& here) -> task<void> {
            const file_system paths(here);
            const std::string text = pattern(100'000);
            EXPECT_TRUE((co_await paths.make_directory("/d")).has_value());
            EXPECT_EQ((co_await paths.make_directory("/d")).error(), errc::already_exists);
            EXPECT_TRUE((co_await fill(here, "/d/a", text)).has_value());
            EXPECT_EQ(co_await contents(here, "/d/a"), text);
            EXPECT_EQ((co_await paths.status("/d/a"))->size_bytes, text.size());
            const result<std::uint64_t> copied = co_await copy_file(here, "/d/a", "/d/b");
            EXPECT_EQ(copied.value_or(0), text.size());
            EXPECT_EQ(co_await contents(here, "/d/b"), text);
            EXPECT_EQ((co_await paths.remove_directory("/d")).error(), errc::not_empty);
            EXPECT_EQ((co_await paths.rename("/d", "/d/e")).error(), errc::invalid_argument);
            EXPECT_TRUE((co_await paths.rename("/d/b", "/c")).has_value());
            std::set<std::string> seen;
            tree_walk walk(here, "/");
            for (;;) {
                result<std::optional<walk_entry>> one = co_await walk.next();
                if (!one || !*one) break;
                seen.insert((*one)->path);
            }
            EXPECT_EQ(seen, (std::set<std::string>{"c", "d", "d/a"}));
            const file far = co_await opened(here, "/far", fresh);
            const file_written done = co_await far.write_at(std::uint64_t{5} << 30, block_of(here, "x"));
            EXPECT_TRUE(done.outcome.has_value());
            EXPECT_EQ((co_await far.status())->stored_bytes, 4096u);
        };
        loop->run(work(*loop));
        loop.settle();
        EXPECT_EQ(loop.network().files().open(), 0u);
    }
}

TEST(simulated_files, a_full_disk_says_how_far_it_came) {
    simulated loop(1, 10);
    auto work = [](event_loop& here) -> task<void> {
        const file to = co_await opened(here, "/f", fresh);
        const file_written done = co_await to.write_at(0, block_of(here, pattern(60'000)));
        EXPECT_EQ(done.outcome.error(), errc::no_space);
        EXPECT_EQ(done.written, 40'960u);
        EXPECT_TRUE((co_await to.truncate(0)).has_value());
        const file_written again = co_await to.write_at(0, block_of(here, pattern(30'000)));
        EXPECT_TRUE(again.outcome.has_value());
    };
    loop->run(work(*loop));
    loop.settle();
}

// Copies that are cancelled, destroyed, and whose files are closed, at any time: whole, or not there.
TEST(simulated_files, what_is_cut_off_leaves_nothing) {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        simulated loop(seed);
        auto work = [](event_loop& here, std::uint64_t dice) -> task<void> {
            seeded_random random(dice);
            const file_system paths(here);
            const std::string text = pattern(40'000);
            EXPECT_TRUE((co_await fill(here, "/a", text)).has_value());
            EXPECT_TRUE((co_await fill(here, "/b", "old")).has_value());
            auto copies = [](event_loop& on) -> task<void> {
                copy_options how;
                how.chunk_bytes = 10'000;
                (void)co_await copy_file(on, "/a", "/b", how);
            };
            for (int round = 0; round < 5; ++round) {
                counting_scope scope(here);
                scope.spawn(copies(here), "copy");
                (void)co_await sleep_for(std::chrono::microseconds(random.below(3000)));
                if (random.one_in(2)) {
                    scope.request_stop();
                    co_await scope.join();
                } else {
                    scope.destroy_all();
                }
                (void)co_await sleep_for(std::chrono::milliseconds(50));
                const std::string now = co_await contents(here, "/b");
                EXPECT_TRUE(now == "old" || now == text);
                const result<directory> root = co_await directory::open(here, "/");
                for (;;) {
                    const result<std::vector<directory_entry>> some = co_await root->next();
                    if (!some || some->empty()) break;
                    for (const directory_entry& one : *some)
                        EXPECT_TRUE(one.name == "a" || one.name == "b") << one.name;
                }
            }
        };
        loop->run(work(*loop, seed));
        loop.settle();
        EXPECT_EQ(loop.network().files().open(), 0u) << seed;
        if (testing::Test::HasFailure()) {
            ADD_FAILURE() << "seed " << seed;
            return;
        }
    }
}

}  // namespace
}  // namespace co_wq::io::test
