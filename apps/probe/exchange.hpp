// request, exchange: one request and its answer, every byte of which is looked at.
//
// Guarantees: an answer counts only when it is whole (by its framing), of a 2xx status, and of the length and bytes
// that
//             the target's path stands for (origin.hpp), unless that is not to be verified. A large body is sent while
//             the answer is read.
// Requires:   a limit in time from the caller.
// Threads:    one loop's own.
#pragma once

#include <memory>
#include <optional>

#include "http/h1/response_parser.hpp"
#include "probe/channel.hpp"
#include "probe/options.hpp"
#include "probe/outcome.hpp"

namespace co_wq::probe {

// A body of up to this size goes out with its head.
inline constexpr std::uint64_t small_body_bytes = 16 * 1024;

// What is sent, and what must come back; made once.
struct request {
    request(const load_options& chosen, bool keep_alive);

    std::string head;               // with the body behind it if that is small
    std::uint64_t body_bytes = 0;   // to be sent behind head
    http::method method = http::method::get;
    bool keep_alive = true;
    std::optional<std::uint64_t> answer_bytes;  // of the pattern; none: anything will do
};

// The length of the answer's body that a path of the origin stands for; none: it is none of the origin's.
std::optional<std::uint64_t> bytes_of_path(std::string_view path, std::uint64_t body_bytes) noexcept;

class exchange {
public:
    exchange(channel& over, const request& what) : channel_(over), request_(what) {}

    // Sends and receives. Afterwards the channel is open if it can be used again.
    task<outcome> run();
    // Receives the answer to what was sent by other means.
    task<outcome> receive();
    task<result<void>> send();

private:
    task<void> send_all(result<void>& sent);
    task<void> receive_all(outcome& got);
    std::optional<outcome> take(const http::h1::step& done);
    std::optional<outcome> check_body(const_bytes piece);

    channel& channel_;
    const request& request_;
    http::h1::response_parser answer_;
    outcome so_far_;
};

}  // namespace co_wq::probe
