#include "net/tls/detail/outgoing.hpp"

namespace co_wq::net::tls::detail {

// Until the socket says that it is full: an event comes when it is not any more.
std::size_t outgoing::send_now(const_bytes data) noexcept {
    io::descriptor& entry = *to_.where().entry;
    io::reactor& reactor = to_.loop().reactor();
    std::size_t done = 0;
    while (done < data.size()) {
        const const_bytes rest = data.subspan(done);
        op_slot::io_payload io{const_cast<std::byte*>(rest.data()), static_cast<std::uint32_t>(rest.size()),
                               entry.index};
        const std::int32_t sent = reactor.attempt(entry, op_kind::send, io::op_detail::plain, io);
        if (sent == io::would_block) break;
        if (sent < 0) {
            failure_ = from_errno(-sent);
            return data.size();
        }
        done += static_cast<std::size_t>(sent);
    }
    return done;
}

bool outgoing::put(const_bytes data) {
    if (failure_) return true;
    if (!empty() && kept_.size() - begin_ + data.size() > kept_bytes_max) return false;
    const std::size_t sent = empty() ? send_now(data) : 0;
    if (sent == data.size()) return true;
    // what has gone out makes room before more memory is taken, or it would grow for ever behind a slow reader
    if (begin_ > 0 && kept_.size() + data.size() - sent > kept_.capacity()) {
        kept_.erase(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(begin_));
        begin_ = 0;
    }
    kept_.insert(kept_.end(), data.begin() + static_cast<std::ptrdiff_t>(sent), data.end());
    return true;
}

void outgoing::flush() noexcept {
    if (empty()) return;
    if (!failure_) begin_ += send_now(const_bytes(kept_).subspan(begin_));
    if (!failure_ && !empty()) return;
    begin_ = 0;
    std::vector<std::byte>().swap(kept_);
}

}  // namespace co_wq::net::tls::detail
