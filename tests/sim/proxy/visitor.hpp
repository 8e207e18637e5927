// A client's side of one connection to the proxy: what it asked, and whether each answer is the one to its question,
// whole.
#pragma once

#include <deque>

#include "fuzz/reference_h1.hpp"
#include "sim/proxy/world.hpp"

namespace co_wq::sim::proxy {

class visitor {
public:
    explicit visitor(world& where) : where_(where), socket_(), reader_(reference_h1::reader::of_responses()) {}

    // False: no connection.
    task<bool> arrive(unsigned door);
    io::socket& socket() noexcept { return socket_; }
    world& where() noexcept { return where_; }

    // The request as text; its answer is expected from now on.
    std::string ask(const errand& what, std::string_view host, bool last);
    void expect_tunnel();

    enum class answered : std::uint8_t { well, refused, broken };
    // Reads until the oldest question is answered.
    task<answered> next_answer();
    // The connection may be used again after the last answer.
    bool persistent() const noexcept { return persistent_; }
    // What came behind the answer that opened a tunnel; more comes with hear.
    std::string take_tunnel();

private:
    bool take(const reference_h1::event& next);
    answered settle(answered how);

    world& where_;
    io::socket socket_;
    reference_h1::reader reader_;
    std::deque<errand> asked_;
    std::string tunnel_;
    std::uint64_t received_ = 0;
    bool ours_ = false;   // the answer is the proxy's own
    bool over_ = false;
    bool granted_ = false;
    bool persistent_ = false;
    bool interim_ = false;  // the response being read is a 1xx
};

}  // namespace co_wq::sim::proxy
