// plot: lines in a field, as inline SVG. Colours come from the page's style: classes line-0, line-1, ...
//
// Requires: finite numbers; above 0 where the scale is logarithmic.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace co_wq::probe {

// Texts of XML: & < > and quotes, and nothing that XML 1.0 does not know.
std::string escaped(std::string_view text);

struct plot_line {
    std::string name;
    unsigned colour = 0;
    std::vector<std::pair<double, double>> points;
    bool filled = false;
};

struct plot {
    std::string title, y_name;
    std::vector<plot_line> lines;
    std::vector<std::pair<double, std::string>> x_marks;
    double x_min = 0, x_max = 1;
    bool y_logarithmic = false;

    std::string svg() const;
};

// Marks for whole seconds or rounds from 0 (or 1) to max: at most ten.
std::vector<std::pair<double, std::string>> count_marks(double max);

}  // namespace co_wq::probe
