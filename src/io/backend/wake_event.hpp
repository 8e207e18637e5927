// An eventfd that ends a loop's sleep from another thread.
#pragma once

namespace co_wq::io {

class wake_event {
public:
    wake_event();
    wake_event(const wake_event&) = delete;
    wake_event& operator=(const wake_event&) = delete;
    ~wake_event();

    int handle() const noexcept { return handle_; }
    void signal() noexcept;
    void drain() noexcept;

private:
    int handle_;
};

}  // namespace co_wq::io
