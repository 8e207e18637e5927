#include "proxy/seeing/metrics_page.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <sstream>

namespace co_wq::proxy {
namespace {

using namespace std::chrono_literals;

TEST(metrics_page, a_histogram_is_cumulative_over_all_its_parts) {
    span_histogram first, second;
    first.add(100us);
    first.add(3ms);
    second.add(3ms);
    second.add(1h);
    std::string out;
    append_histogram(out, "x_seconds", "Help.", {&first, &second});
    EXPECT_EQ(out,
              "# HELP co_http_proxy_x_seconds Help.\n"
              "# TYPE co_http_proxy_x_seconds histogram\n"
              "co_http_proxy_x_seconds_bucket{le=\"0.0001\"} 1\n"
              "co_http_proxy_x_seconds_bucket{le=\"0.00025\"} 1\n"
              "co_http_proxy_x_seconds_bucket{le=\"0.0005\"} 1\n"
              "co_http_proxy_x_seconds_bucket{le=\"0.001\"} 1\n"
              "co_http_proxy_x_seconds_bucket{le=\"0.0025\"} 1\n"
              "co_http_proxy_x_seconds_bucket{le=\"0.005\"} 3\n"
              "co_http_proxy_x_seconds_bucket{le=\"0.01\"} 3\n"
              "co_http_proxy_x_seconds_bucket{le=\"0.025\"} 3\n"
              "co_http_proxy_x_seconds_bucket{le=\"0.05\"} 3\n"
              "co_http_proxy_x_seconds_bucket{le=\"0.1\"} 3\n"
              "co_http_proxy_x_seconds_bucket{le=\"0.25\"} 3\n"
              "co_http_proxy_x_seconds_bucket{le=\"0.5\"} 3\n"
              "co_http_proxy_x_seconds_bucket{le=\"1\"} 3\n"
              "co_http_proxy_x_seconds_bucket{le=\"2.5\"} 3\n"
              "co_http_proxy_x_seconds_bucket{le=\"10\"} 3\n"
              "co_http_proxy_x_seconds_bucket{le=\"30\"} 3\n"
              "co_http_proxy_x_seconds_bucket{le=\"+Inf\"} 4\n"
              "co_http_proxy_x_seconds_sum 3600.006100000\n"
              "co_http_proxy_x_seconds_count 4\n");
}

TEST(metrics_page, each_family_is_told_once_and_its_series_follow_it) {
    seeing all{seeing_options{}};
    for (std::uint64_t loop = 1; loop <= 2; ++loop) {
        loop_figures& figures = all.add_loop().figures;
        figures.tunnels.set(loop);
        figures.turns.set(10 * loop);
    }
    std::string out;
    append_metrics(out, all,
                   {.open_connections = 3,
                    .connections_max = 9,
                    .draining = true,
                    .start_time_s = 1.5,
                    .parents = {{"a", true, 4, 5, 6, 7}, {"b", false, 0, 0, 0, 0}}});
    std::istringstream lines(out);
    std::set<std::string> families, series;
    std::string family;
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("# HELP ")) {
            family = line.substr(7, line.find(' ', 7) - 7);
            EXPECT_TRUE(families.insert(family).second) << line;
        } else if (line.starts_with("# TYPE ")) {
            EXPECT_TRUE(line.starts_with("# TYPE " + family + " ")) << line;
            EXPECT_EQ(line.ends_with(" counter"), family.ends_with("_total")) << line;
        } else {
            EXPECT_TRUE(line.starts_with(family)) << line;
            EXPECT_TRUE(series.insert(line.substr(0, line.find_last_of(' '))).second) << line;
        }
    }
    for (const std::string_view wanted :
         {"\nco_http_proxy_tunnels_total 3\n", "\nco_http_proxy_loop_turns_total{loop=\"0\"} 10\n",
          "\nco_http_proxy_loop_turns_total{loop=\"1\"} 20\n", "\nco_http_proxy_open_connections 3\n",
          "\nco_http_proxy_connections_limit 9\n", "\nco_http_proxy_draining 1\n",
          "\nco_http_proxy_start_time_seconds 1.500\n", "\nco_http_proxy_parent_up{parent=\"a\"} 1\n",
          "\nco_http_proxy_parent_up{parent=\"b\"} 0\n", "\nco_http_proxy_parent_connections{parent=\"a\"} 4\n",
          "\nco_http_proxy_parent_connects_total{parent=\"a\"} 5\n",
          "\nco_http_proxy_parent_failures_total{parent=\"a\"} 6\n",
          "\nco_http_proxy_parent_check_failures_total{parent=\"a\"} 7\n"})
        EXPECT_NE(out.find(wanted), std::string::npos) << wanted;
}

}  // namespace
}  // namespace co_wq::proxy
