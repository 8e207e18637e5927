// origin_session: what the origin says on one connection.
//
// Threads: one loop's own. Lifetime: outlives its task.
#pragma once

#include "http/h1/request_parser.hpp"
#include "probe/channel.hpp"

namespace co_wq::probe {

struct origin_path;

class origin_session {
public:
    explicit origin_session(channel& client) : client_(client) {}

    // Answers requests until the client ends, or does something that a server must not stand.
    task<void> run();

private:
    task<bool> read_head();
    task<bool> fill();
    task<bool> answer();
    task<bool> refuse(std::uint16_t status, std::string_view why);
    task<bool> say_continue();
    task<bool> echo();
    task<bool> drop_body();
    task<bool> send_body(const origin_path& what);
    task<bool> send_piece(const_bytes piece, bool chunked);
    task<bool> send(const_bytes data);
    void write_head(bool chunked, std::uint64_t length);
    std::string_view path() const noexcept;

    channel& client_;
    http::h1::request_parser request_;
    http::byte_buffer out_;
};

}  // namespace co_wq::probe
