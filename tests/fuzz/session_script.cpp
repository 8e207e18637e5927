#include "session_script.hpp"

#include <algorithm>
#include <cstdio>

#include "fuzzing.hpp"
#include "sim/driver.hpp"

namespace co_wq::fuzz {
namespace {

constexpr std::size_t filler_bytes = 4096;
constexpr unsigned fillers_max = 16;
constexpr unsigned marks_max = 999;
constexpr std::size_t answers_max = 64;

// A body may end where it begins.
bool is_first_line(std::string_view line) { return line.contains("HTTP/1."); }

}  // namespace

void part::add(char one, unsigned& marks) {
    text_ += one;
    if (one != '\n' || !text_.ends_with("\r\n") || marks >= marks_max) return;
    const std::size_t end = text_.size() - 2;
    const std::size_t before = end == 0 ? std::string::npos : text_.rfind('\n', end - 1);
    const std::size_t start = before == std::string::npos ? 0 : before + 1;
    if (!is_first_line(std::string_view(text_).substr(start, end - start))) return;
    char field[16];
    std::snprintf(field, sizeof field, "Mark: %03u\r\n", ++marks);
    text_ += field;
}

void part::cut() {
    if (said_ < text_.size()) actions.push_back({deed::say, text_.substr(said_)});
    said_ = text_.size();
}

void part::then(deed what) {
    cut();
    actions.push_back({what});
}

part plain_answer(unsigned& marks) {
    part made;
    for (const char one : std::string_view("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")) made.add(one, marks);
    made.cut();
    return made;
}

session_script read_script(const std::uint8_t* data, std::size_t size) {
    input from(data, size);
    session_script out;
    const std::uint8_t network = from.choice();
    const std::uint8_t seed = from.choice();
    out.network = network == 0 ? io::sim_options{} : sim::options_of_seed(network);
    out.network.seed = seed;
    if (network % 4 == 3) out.network.datagram_faults = 64;
    out.network.pipes = network % 2 == 0;
    out.network.send_buffer_bytes = std::max<std::uint32_t>(out.network.send_buffer_bytes, 2'000);
    const std::string_view text = from.rest();
    out.answers.reserve(answers_max);
    part* now = &out.clients[0];
    unsigned fillers = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] != '\xff' || at + 1 == text.size()) {
            now->add(text[at], out.marks);
            continue;
        }
        switch (const char what = text[++at]) {
            case 'c': now = &out.clients[0]; break;
            case 'd': now = &out.clients[1]; break;
            case 'o':
            case 'i':
                if (out.answers.size() == answers_max) break;
                now = &out.answers.emplace_back();
                now->early = what == 'i';
                break;
            case '|': now->cut(); break;
            case 'p': now->then(deed::pause); break;
            case 'P': now->then(deed::long_pause); break;
            case 'w': now->then(deed::wait); break;
            case 'e': now->then(deed::end); break;
            case 'x': now->then(deed::close); break;
            case 'r': now->then(deed::reset); break;
            case 'q': now->then(deed::drain); break;
            case 'z':
                for (std::size_t i = 0; fillers < fillers_max && i < filler_bytes; ++i)
                    now->add(static_cast<char>('a' + (i * 7 + i / 31) % 26), out.marks);
                ++fillers;
                break;
            default: now->add(what, out.marks);
        }
    }
    for (part& one : out.clients) one.cut();
    for (part& one : out.answers) one.cut();
    return out;
}

}  // namespace co_wq::fuzz
