// Lists the USB devices; with --watch it goes on with those that come and go. Shows usb::context and its stream.
#include <cstdio>
#include <cstring>

#include "io/usb/context.hpp"

using namespace co_wq;

void print(const char* what, const io::usb::device& one) {
    std::printf("%s %04x:%04x bus %d address %d port %s\n", what, one.vendor(), one.product(), one.bus(), one.address(),
                one.path().c_str());
}

task<int> run(io::event_loop& loop, bool watch) {
    const result<io::usb::context> usb = io::usb::context::open(loop);
    if (!usb) {
        std::printf("no USB here: %s\n", usb.error().message().c_str());
        co_return 0;
    }
    const result<std::vector<io::usb::device>> all = usb->devices();
    if (!all) co_return 1;
    for (const io::usb::device& one : *all) print("device", one);
    std::printf("%zu devices\n", all->size());
    if (!watch) co_return 0;

    const result<io::usb::hotplug> changes = usb->watch();
    if (!changes) co_return 1;
    for (;;) {
        const result<io::usb::hotplug_event> one = co_await changes->next();
        if (!one) co_return 1;
        print(one->what == io::usb::hotplug_event::kind::arrived ? "came  " : "left  ", one->which);
    }
}

int main(int count, char** words) {
    io::event_loop loop;
    return loop.run(run(loop, count > 1 && std::strcmp(words[1], "--watch") == 0));
}
