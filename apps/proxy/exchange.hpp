// exchange: one request to one origin connection and its answer back, body both ways at the same time.
//
// Guarantees: the client sees a whole answer or that it broke off, never a short one that looks whole. An answer that
//             begins while the upload still runs is passed on at once. A request of which nothing was answered on a
//             reused connection asks for a retry. Nothing is buffered beyond one block per direction.
#pragma once

#include "http/h1/response_parser.hpp"
#include "net/idle_guard.hpp"
#include "proxy/session.hpp"

namespace co_wq::proxy {

// Whom the request goes to.
struct next_hop {
    bool is_proxy = false;             // a parent: absolute form
    std::string_view authorization{};  // ours; outlives the exchange
};

class exchange {
public:
    exchange(session& owner, net::tls::connection origin, bool reused, next_hop hop = {}) noexcept
        : session_(owner),
          origin_(std::move(origin)),
          hop_(hop),
          guard_(owner.server().loop(), owner.server().limit().response_timeout),
          reused_(reused) {}

    task<verdict> run();

    // After run(): nothing is under way and the origin keeps the connection.
    bool origin_reusable() const noexcept { return origin_reusable_; }
    net::tls::connection take_origin() noexcept { return std::move(origin_); }
    io::lease take_origin_input() noexcept { return std::move(origin_input_); }

private:
    task<verdict> run_guarded();
    task<verdict> send_without_body();
    // The request's way
    task<void> upload();
    task<bool> send_piece(const_bytes piece);
    // Neither side has said anything for too long: it is the client's turn to.
    bool waits_for_body() const noexcept;
    // A send to the origin failed.
    void upload_failed(error what) noexcept;
    void upload_refused(ended how, std::uint16_t status, std::string_view why) noexcept;
    // The answer's way
    task<verdict> download();
    task<http::h1::step> next_step();
    task<verdict> pass_interim();
    task<verdict> pass_answer();
    task<verdict> pass_body(http::h1::body_kind outgoing);
    task<bool> flush();
    duration owed_now(bool up, std::size_t size) noexcept;
    task<void> keep_pace(duration owed);
    task<verdict> origin_failed(std::string_view why, std::uint16_t status = 502);
    verdict finished(http::h1::body_kind outgoing) noexcept;
    void write_request();
    void note_ends(verdict next) noexcept;

    session& session_;
    net::tls::connection origin_;
    const next_hop hop_;
    io::lease origin_input_;  // from the origin, not yet consumed
    http::byte_buffer request_out_;
    http::h1::response_parser response_;
    net::idle_guard guard_;
    std::uint64_t uploaded_ = 0;
    std::string_view refusal_why_;
    std::uint16_t refusal_ = 0;       // the upload went wrong on the client's side
    ended upload_end_ = ended::none;  // how, then
    error origin_error_{errc::unexpected_eof};
    net::pacer* const pace_ = session_.visitor().pace();
    duration owed_down_{};  // before the next read of the answer
    bool reused_;
    bool reads_body_ = false;         // the upload waits for the client
    bool continued_ = false;          // the client knows that it is to send its body
    bool origin_spoke_ = false;
    bool refused_ = false;            // we have said that the origin failed; what the upload meets then is not told
    bool answer_begun_ = false;       // bytes of the final answer went to the client
    bool request_over_ = false;       // read and sent to its end
    bool upload_broken_ = false;      // the origin took no more
    bool origin_reusable_ = false;
    bool client_failed_ = false;      // the client takes no more
    std::size_t last_read_ = 0;       // bytes of the last read: full blocks ask for larger ones
    bool client_keeps_ = false;       // the connection to the client goes on after this answer
};

}  // namespace co_wq::proxy
