// Reports of made-up figures; reports_test.py parses what the last of these tests writes.
#include "probe/report.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "probe/plot.hpp"

namespace co_wq::probe {
namespace {

figures some(std::uint64_t step_ns, std::uint64_t errors) {
    figures made;
    made.chosen.way.target = *parse_url("http://127.0.0.1:1/bytes/1?<&'\">");
    made.chosen.way.through = *parse_proxy("http://<b>:secret@127.0.0.1:2");
    made.measured_s = 2;
    for (std::uint64_t i = 1; i <= 1'000; ++i) {
        made.total.latency.add(i * step_ns);
        made.total.service.add(i * step_ns / 2);
    }
    made.total.answered = made.total.in_time = 1'000;
    made.total.bytes = 1'000;
    for (std::uint64_t i = 0; i < errors; ++i)
        made.total.failed.add(ending::content, "a \"quoted\" <text>\x01\n\xc3\xa4 & more");
    for (int i = 0; i < 2; ++i) {
        second one;
        one.answered = 500;
        one.failed = errors / 2;
        one.p50_ns = 500 * step_ns;
        one.p99_ns = 990 * step_ns;
        made.seconds.push_back(one);
    }
    return made;
}

findings run_of(figures of) {
    findings found;
    found.command = "co_probe run <\"x\">";
    found.measured.push_back(std::move(of));
    return found;
}

findings comparison() {
    findings found;
    found.command = "co_probe compare";
    for (const std::uint64_t step : {1'000u, 3'000u, 2'000u}) {
        found.direct.push_back(some(step, 0));
        found.measured.push_back(some(step * 4, 0));
    }
    return found;
}

TEST(Report, Medians) {
    const findings found = comparison();
    const middle a = middle_of(found.direct), b = middle_of(found.measured);
    EXPECT_EQ(a.rate, 500);
    EXPECT_NEAR(a.p50_ns, 1'000'000, 1'000);
    EXPECT_NEAR(b.p99_ns, 7'920'000, 8'000);
    EXPECT_NE(text_report(found).find("3 rounds"), std::string::npos);
    std::vector<figures> two;
    two.push_back(some(1'000, 0));
    two.push_back(some(3'000, 0));
    EXPECT_NEAR(middle_of(two).p50_ns, 1'000'000, 1'000);
}

TEST(Report, ExitCodes) {
    EXPECT_EQ(exit_code(run_of(some(1'000, 0))), 0);
    EXPECT_EQ(exit_code(run_of(some(1'000, 3))), 1);
    figures allowed = some(1'000, 3);
    allowed.chosen.max_errors = 3;
    EXPECT_EQ(exit_code(run_of(allowed)), 0);
    figures silent;
    EXPECT_EQ(exit_code(run_of(silent)), 1);
    silent.interrupted = true;
    EXPECT_EQ(exit_code(run_of(silent)), 0);
    findings found = comparison();
    found.direct[1].total.failed.add(ending::reset, "");
    EXPECT_EQ(exit_code(found), 1);
}

TEST(Report, RudeClientsThatCouldNotBeRudeProveNothing) {
    figures made = some(1'000, 0);
    made.chosen.fault = fault_kind::rst;
    made.total.disturbed.add(1);
    made.total.calm.add(1);
    made.total.rude_deeds = 10;
    EXPECT_EQ(exit_code(run_of(made)), 0);
    EXPECT_NE(innocents_text(made).find("unharmed"), std::string::npos);
    made.total.rude_unable = 6;
    EXPECT_EQ(exit_code(run_of(made)), 1);
    EXPECT_NE(innocents_text(made).find("NOT TESTED"), std::string::npos);
    made.total.failed_disturbed = 1;
    EXPECT_NE(innocents_text(made).find("HARMED"), std::string::npos);
}

TEST(Report, NothingSecretAndNoControlCharacters) {
    const findings found = run_of(some(1'000, 3));
    for (const std::string& text : {text_report(found), json_report(found), html_report(found)}) {
        EXPECT_EQ(text.find("secret"), std::string::npos);
        EXPECT_EQ(text.find('\x01'), std::string::npos);
    }
    EXPECT_EQ(html_report(found).find("<script"), std::string::npos);
    EXPECT_EQ(html_report(found).find("<text>"), std::string::npos);
}

TEST(Report, PlotsStandEmptyAndExtremeFigures) {
    plot made;
    made.lines.push_back({});
    EXPECT_NE(made.svg().find("</svg>"), std::string::npos);
    made.lines[0].points = {{0, 0}, {1, 1e18}, {0.5, 1e-9}};
    for (const bool logarithmic : {false, true}) {
        made.y_logarithmic = logarithmic;
        const std::string text = made.svg();
        EXPECT_LT(text.size(), 20'000u);
        EXPECT_EQ(text.find("nan"), std::string::npos);
        EXPECT_EQ(text.find("inf"), std::string::npos);
    }
    EXPECT_LE(count_marks(1e9).size(), 12u);
}

// For reports_test.py: a folder to write to.
TEST(Report, WritesSamples) {
    const char* folder = std::getenv("CO_WQ_REPORTS");
    if (!folder) GTEST_SKIP() << "CO_WQ_REPORTS says where to";
    const auto write = [&](const std::string& name, const findings& found) {
        std::ofstream(std::string(folder) + "/" + name + ".json") << json_report(found);
        std::ofstream(std::string(folder) + "/" + name + ".html") << html_report(found);
    };
    figures faulty = some(1'000, 4);
    faulty.chosen.fault = fault_kind::abort_at;
    faulty.chosen.rate = 500;
    faulty.total.calm.add(1'000'000);
    faulty.total.disturbed.add(2'000'000);
    write("run", run_of(faulty));
    write("empty", run_of(figures()));
    write("compare", comparison());
    findings nothing;
    nothing.direct.emplace_back();
    nothing.measured.emplace_back();
    nothing.measured[0].chosen.way.through = *parse_proxy("http://a:1");
    write("nothing", nothing);
}

}  // namespace
}  // namespace co_wq::probe
