#include "probe/plot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

namespace co_wq::probe {
namespace {

constexpr double width = 760, height = 260, left = 64, right = 14, top = 12, bottom = 28;

// 1, 2 or 5 times a power of ten, such that `span` has at most `many` of them.
double step_for(double span, double many) {
    const double rough = std::max(span, 1e-9) / many;
    const double power = std::pow(10, std::floor(std::log10(rough)));
    for (const double times : {1.0, 2.0, 5.0}) {
        if (rough <= times * power * 1.0001) return times * power;
    }
    return 10 * power;
}

// Where values lie on the y axis, and what is written there.
struct y_axis {
    double low = 0, high = 1;
    bool logarithmic = false;
    std::vector<double> marks;

    double place(double value) const {
        const double share =
            logarithmic ? (std::log10(std::max(value, low)) - std::log10(low)) / (std::log10(high) - std::log10(low))
                        : (value - low) / (high - low);
        return height - bottom - std::clamp(share, 0.0, 1.0) * (height - top - bottom);
    }
};

y_axis axis_for(const std::vector<plot_line>& lines, bool logarithmic) {
    y_axis made;
    made.logarithmic = logarithmic;
    double least = 0, most = 0;
    bool any = false;
    for (const plot_line& line : lines) {
        for (const auto& [x, y] : line.points) {
            least = any ? std::min(least, y) : y;
            most = any ? std::max(most, y) : y;
            any = true;
        }
    }
    if (!logarithmic) {
        const double step = std::max(1.0, step_for(most, 5));
        made.high = std::max(1.0, std::ceil(most / step)) * step;
        for (double mark = 0; mark <= made.high * 1.0001; mark += step) made.marks.push_back(mark);
        return made;
    }
    made.low = std::pow(10, std::floor(std::log10(std::max(least, 1e-6))));
    made.high = std::pow(10, std::ceil(std::log10(std::max(most, made.low * 1.01))));
    if (made.high <= made.low) made.high = made.low * 10;
    const bool few = made.high / made.low < 500;
    for (double decade = made.low; decade <= made.high * 1.0001; decade *= 10) {
        made.marks.push_back(decade);
        if (!few || decade * 5 > made.high) continue;
        made.marks.push_back(decade * 2);
        made.marks.push_back(decade * 5);
    }
    return made;
}

std::string short_number(double value) {
    if (value >= 1e6) return fmt::format("{:g}M", value / 1e6);
    if (value >= 1e4) return fmt::format("{:g}k", value / 1e3);
    return fmt::format("{:g}", std::round(value * 1e6) / 1e6);
}

}  // namespace

std::string escaped(std::string_view text) {
    std::string made;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        switch (c) {
            case '&': made += "&amp;"; break;
            case '<': made += "&lt;"; break;
            case '>': made += "&gt;"; break;
            case '"': made += "&quot;"; break;
            case '\'': made += "&#39;"; break;
            default:
                if (byte < 0x20 || byte == 0x7f) {
                    made += '?';
                } else if (byte > 0x7f) {
                    made += fmt::format("&#{};", byte);  // as Latin-1: no claim about what was meant
                } else {
                    made += c;
                }
        }
    }
    return made;
}

std::vector<std::pair<double, std::string>> count_marks(double max) {
    std::vector<std::pair<double, std::string>> made;
    const double step = std::max(1.0, step_for(max, 10));
    for (double mark = 0; mark <= max * 1.0001; mark += step) made.emplace_back(mark, fmt::format("{:g}", mark));
    return made;
}

std::string plot::svg() const {
    const y_axis axis = axis_for(lines, y_logarithmic);
    const auto x_place = [&](double x) {
        const double share = x_max > x_min ? (x - x_min) / (x_max - x_min) : 0.5;
        return left + std::clamp(share, 0.0, 1.0) * (width - left - right);
    };
    std::string text;
    const auto to = std::back_inserter(text);
    fmt::format_to(to,
                   "<svg viewBox=\"0 0 {:g} {:g}\" role=\"img\" aria-label=\"{}\" "
                   "xmlns=\"http://www.w3.org/2000/svg\">\n",
                   width, height, escaped(title));
    for (const double mark : axis.marks) {
        const double y = axis.place(mark);
        fmt::format_to(to, "<line class=\"grid\" x1=\"{:g}\" x2=\"{:g}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>", left,
                       width - right, y, y);
        fmt::format_to(to, "<text class=\"mark\" x=\"{:g}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>\n", left - 8,
                       y + 4, short_number(mark));
    }
    for (const auto& [x, name] : x_marks) {
        fmt::format_to(to, "<text class=\"mark\" x=\"{:.1f}\" y=\"{:g}\" text-anchor=\"middle\">{}</text>\n",
                       x_place(x), height - 8, escaped(name));
    }
    for (const plot_line& line : lines) {
        if (line.points.empty()) continue;
        std::string points;
        for (const auto& [x, y] : line.points)
            fmt::format_to(std::back_inserter(points), "{:.1f},{:.1f} ", x_place(x), axis.place(y));
        if (line.filled) {
            fmt::format_to(to, "<polygon class=\"area line-{}\" points=\"{:.1f},{:g} {}{:.1f},{:g}\"/>\n", line.colour,
                           x_place(line.points.front().first), height - bottom, points,
                           x_place(line.points.back().first), height - bottom);
        }
        fmt::format_to(to, "<polyline class=\"line line-{}\" points=\"{}\"/>\n", line.colour, points);
        if (line.points.size() > 60) continue;
        for (const auto& [x, y] : line.points) {
            fmt::format_to(to,
                           "<circle class=\"dot line-{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.5\"><title>{}: {:g}"
                           "</title></circle>\n",
                           line.colour, x_place(x), axis.place(y), escaped(line.name), y);
        }
    }
    return text + "</svg>";
}

}  // namespace co_wq::probe
