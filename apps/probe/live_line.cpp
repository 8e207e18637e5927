#include "probe/live_line.hpp"

#include "io/terminal.hpp"

namespace co_wq::probe {
namespace {

class on_terminal final : public live_line {
public:
    explicit on_terminal(io::terminal screen) noexcept : screen_(std::move(screen)) {}
    task<void> show(std::string text) override {
        const std::string line = "\r\x1b[K" + text;
        (void)co_await screen_.send_all(as_bytes(line));
    }

private:
    io::terminal screen_;
};

}  // namespace

result<std::unique_ptr<live_line>> live_line::open(io::event_loop& loop) {
    result<io::terminal> made = io::terminal::share(loop, 2);
    if (!made) return std::unexpected(made.error());
    return std::make_unique<on_terminal>(std::move(*made));
}

}  // namespace co_wq::probe
