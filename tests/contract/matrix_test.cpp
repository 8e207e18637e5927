// The contract matrix: every awaiter in every cell on every backend, and the whole of it as a table.
#include <cstdio>
#include <map>

#include "driver.hpp"
#include "rows.hpp"
#include "support/system.hpp"

namespace co_wq::contract {
namespace {

struct registered {
    const char* id;
    const char* where;
    entry row_of;
};
#define CO_WQ_REGISTERED(id, what, where) registered{#id, where, row<awaiter::id>},
const std::vector<registered> registry{CO_WQ_EACH_AWAITER(CO_WQ_REGISTERED)};
#undef CO_WQ_REGISTERED

// One column of the table: a kernel, or several seeds of the simulation.
struct column {
    const char* name;
    std::vector<io::test::backend> backends;
};
const std::vector<column>& columns() {
    static const std::vector<column> all = [] {
        std::vector<column> made;
        for (const io::reactor_kind kind : io::test::kernel_reactors) made.push_back({io::name_of(kind), {{kind, 0}}});
        if (!io::test::unruly_kernels.empty())
            made.push_back({"unruly", {io::test::unruly_kernels.begin(), io::test::unruly_kernels.end()}});
        made.push_back({"sim", {}});
        for (std::uint64_t seed = 1; seed <= variant::seeds_max; ++seed)
            made.back().backends.push_back({io::reactor_kind::sim, seed});
        return made;
    }();
    return all;
}

// Null: the cell can be had there.
const char* not_applicable(const variant& one, cell at, const io::test::backend& on) {
    if (one.expected.at(at).how() == expectation::kind::none) return one.expected.at(at).text();
    if (on.kind == io::reactor_kind::iocp && at == cell::error && test::on_wine()) return one.error_not_on_wine;
    if (on.kind != io::reactor_kind::sim) return nullptr;
    if (one.not_simulated) return one.not_simulated;
    return at == cell::error ? one.error_not_simulated : nullptr;
}

std::string run(const variant& one, cell at, const column& on) {
    std::string text;
    for (const io::test::backend& backend : on.backends)
        if (backend.seed <= one.seeds)
            for (const std::string& wrong : run_cell(one, backend, at))
                text += std::string(one.name) + ", " + name_of(at) + ", " + on.name +
                        (backend.seed ? " seed " + std::to_string(backend.seed) : "") + ": " + wrong + "\n";
    return text;
}

using of_each = testing::TestWithParam<std::tuple<std::size_t, std::size_t>>;

TEST_P(of_each, keeps_its_promises_in_every_cell) {
    const registered& awaiter = registry[std::get<0>(GetParam())];
    const column& on = columns()[std::get<1>(GetParam())];
    for (const variant& one : awaiter.row_of.variants())
        for (const cell at : cells)
            if (!not_applicable(one, at, on.backends.front())) EXPECT_EQ(run(one, at, on), "") << awaiter.where;
}

std::vector<std::size_t> with_variants() {
    std::vector<std::size_t> all;
    for (std::size_t i = 0; i < registry.size(); ++i)
        if (registry[i].row_of.variants) all.push_back(i);
    return all;
}
std::string name_of_case(const testing::TestParamInfo<of_each::ParamType>& info) {
    return std::string(registry[std::get<0>(info.param)].id) + "_" + columns()[std::get<1>(info.param)].name;
}
INSTANTIATE_TEST_SUITE_P(matrix, of_each,
                         testing::Combine(testing::ValuesIn(with_variants()),
                                          testing::Range(std::size_t{0}, columns().size())),
                         name_of_case);

// ---- the table

class table {
public:
    void print() {
        std::printf("%-28s", "");
        for (const cell at : cells) std::printf(" %-16s", name_of(at));
        std::printf("\n");
        for (const registered& awaiter : registry) {
            if (!awaiter.row_of.variants) continue;
            for (const variant& one : awaiter.row_of.variants()) print_row(one);
        }
        std::printf("\nok: everywhere; or only where the letters say:");
        for (const column& on : columns()) std::printf(" %c: %s (%zu)", on.name[0], on.name, on.backends.size());
        std::printf("\n");
        for (const auto& [reason, number] : reasons_) std::printf("n/a %d: %s\n", number, reason.c_str());
        std::printf("\nclasses without a row of their own:\n");
        for (const registered& awaiter : registry)
            if (awaiter.row_of.no_row) std::printf("  %-30s %s\n", awaiter.id, awaiter.row_of.no_row);
        std::printf("\n%zu awaiters, %d rows, %d cells run, %d not applicable, %d failed\n", with_variants().size(),
                    rows_, run_, not_applicable_, failed_);
    }
    int failed() const { return failed_; }
    int not_applicable_cells() const { return not_applicable_; }

private:
    void print_row(const variant& one) {
        ++rows_;
        std::printf("%-28s", one.name);
        for (const cell at : cells) std::printf(" %-16s", text_of_cell(one, at).c_str());
        std::printf("\n");
        std::fflush(stdout);
    }
    std::string text_of_cell(const variant& one, cell at) {
        std::string good, none, bad;
        for (const column& on : columns()) {
            if (const char* reason = not_applicable(one, at, on.backends.front())) {
                const int number = reasons_.try_emplace(reason, static_cast<int>(reasons_.size()) + 1).first->second;
                none = "n/a " + std::to_string(number);
                ++not_applicable_;
                continue;
            }
            ++run_;
            const std::string wrong = run(one, at, on);
            (wrong.empty() ? good : bad) += on.name[0];
            failed_ += !wrong.empty();
            if (!wrong.empty()) std::fprintf(stderr, "%s", wrong.c_str());
        }
        if (!bad.empty()) return "FAILED " + bad;
        if (good.size() == columns().size()) return "ok";
        return good.empty() ? none : "ok " + good + ", " + none;
    }

    std::map<std::string, int> reasons_;
    int rows_ = 0, run_ = 0, not_applicable_ = 0, failed_ = 0;
};

// For people, as ./dev matrix starts it: the tests of each awaiter have seen every cell.
TEST(contract_matrix, DISABLED_holds_as_a_whole) {
    table all;
    all.print();
    EXPECT_EQ(all.failed(), 0);
}

}  // namespace
}  // namespace co_wq::contract
