// layered_io: what a protocol above a descriptor does when it is ready; how TLS reads and writes.
//
// For:        protocols with state of their own between the caller's bytes and the descriptor's. Its operations wait as
//             any recv or send does (op_detail::layered), and the attempt is the protocol's own: nothing lies between
//             it and the waiter's resumption.
// Requires:   it lives until its operation ended or its descriptor was released, whichever is first. It is not called
//             afterwards.
// Threads:    the loop's own. An attempt resumes nobody and closes nothing.
#pragma once

#include <cstdint>

#include "task/op_slot.hpp"

namespace co_wq::io {

class layered_io {
public:
    // The operation's result, negative errno, would_block (the descriptor said so, and an event will come), once_more:
    // there is more to do than one turn should be spent on; or until_retried: it waits for something else, and the
    // protocol will call reactor::retry. What it writes to io comes to the awaiter with a result.
    virtual std::int32_t attempt(op_slot::io_payload& io) noexcept = 0;
    // An attempt now is worth it: bytes are kept here, or the descriptor may be ready.
    virtual bool may_succeed() const noexcept = 0;
    // Its operation left without a result, by cancellation or with its waiter; the descriptor is still open.
    virtual void left() noexcept {}

protected:
    ~layered_io() = default;
};

}  // namespace co_wq::io
