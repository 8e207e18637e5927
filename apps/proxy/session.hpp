// session: one client connection, request by request, until it ends or becomes a tunnel. Its first bytes say what it
// speaks: a PROXY header of a trusted source comes before all, then HTTP or SOCKS.
//
// A byte's way: client -> recv_lease -> request_parser -> write_forward_request -> origin, and back through
// response_parser and write_forward_response. Memory is held only while a request is under way.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/intrusive_list.hpp"
#include "http/byte_buffer.hpp"
#include "http/error_page.hpp"
#include "http/h1/request_parser.hpp"
#include "net/tls/connection.hpp"
#include "proxy/admission.hpp"
#include "proxy/limits/guest.hpp"
#include "proxy/server.hpp"
#include "proxy/socks/association.hpp"
#include "proxy/socks/proxy_header.hpp"
#include "proxy/upstream/live_parent.hpp"

namespace co_wq::proxy {

// Asked for each address before it is dialled; false: it is passed over. Empty: all may be.
using address_filter = std::function<bool(const io::socket_address&)>;

// What happens after a request.
enum class verdict : std::uint8_t {
    next_request,
    close,          // everything is said
    reset,          // the answer broke off, and the client must see that
    become_tunnel,
    retry,          // a pooled connection was dead before it said anything: the request goes out again
};

// What is left to do when the HTTP part, or the SOCKS handshake, is over.
struct tunnel_plan {
    net::tls::connection origin;
    io::lease to_origin;  // bytes that came right behind the CONNECT
    io::lease to_client;  // bytes that came right behind a 101, or a parent's answer to a CONNECT
    std::unique_ptr<const std::string> name;  // null: nobody is told
    std::unique_ptr<socks::association> relay;  // instead of a tunnel
    live_tunnel_ptr live{};  // null: nobody looks
    upstream::hold parent{};  // what it goes through
};

// How much of a request is looked at.
http::parse_limits parse_limits_of(const limits& chosen) noexcept;
// "host:port", as CONNECT says it.
std::string name_of(const http::authority& where);

// Whether a request may be sent twice without harm.
bool idempotent(http::method which) noexcept;

class session : public list_hook<session> {
public:
    // listener: where the client came in, by its place among the options' listeners.
    session(proxy_server& server, net::tls::connection& client, guest& visitor, std::uint32_t listener = 0)
        : server_(server),
          client_(client),
          guest_(visitor),
          request_(parse_limits_of(server.limit())),
          admission_(server, client.peer_address().value_or(io::socket_address{}), listener),
          number_(server.count().connections.get()) {}
    session(const session&) = delete;
    ~session();

    // A tunnel to run, or nothing: the connection is over.
    task<std::unique_ptr<tunnel_plan>> run();

    // Ends a session that waits for a request of which nothing has come.
    void cancel_idle() noexcept { idle_scope_.cancel(); }
    // It has been answered before.
    bool kept() const noexcept { return !first_request_; }

    // ---- for the exchange
    proxy_server& server() noexcept { return server_; }
    net::tls::connection& client() noexcept { return client_; }
    http::h1::request_parser& request() noexcept { return request_; }
    http::byte_buffer& out() noexcept { return out_; }
    request_note& note() noexcept { return note_; }
    // otherwise: how the answer ended, if nobody has said so.
    void end_note(ended otherwise);
    io::lease& input() noexcept { return input_; }
    // Reads more from the client into an empty input(); false: end of stream or error.
    task<bool> fill_input();
    // The same until a point in time, of a client that may be left without harm: a drain ends the wait.
    task<bool> fill_input_idly(time_point until);
    // The last one that failed was cancelled on our side.
    bool input_stopped() const noexcept { return input_stopped_; }
    // Sends an error page. The connection goes on only when asked to and the request was read to its end.
    task<verdict> refuse(std::uint16_t status, std::string_view detail, bool may_keep = false);
    // These tasks read from the client for us: an upload, or a watch for its end. Before we read ourselves to end the
    // connection, they are ended.
    void set_reader(counting_scope* tasks) noexcept { reader_ = tasks; }
    // From now on bytes of an answer go to the client, out() first. Called before each of them is sent.
    void begin_answer();
    // All of it has gone to the client.
    void end_answer() noexcept { answer_open_ = false; }
    // The request has no body, and its end was read.
    bool request_over() const noexcept { return request_over_; }
    proxy::admission& admission() noexcept { return admission_; }
    guest& visitor() noexcept { return guest_; }
    void note_denial(const denial& no);
    void log_answer(std::uint16_t status, std::string_view why = {});

    // ---- for the SOCKS handshake
    // How long a head, or a handshake, may take.
    duration header_wait() const noexcept;
    // Of the client: as a trusted source's PROXY header says, or of its connection.
    io::socket_address client_address() const;
    // What it asks for, in the words of the access log; notes its beginning.
    void begin_other(std::string_view protocol, std::string_view method, std::string target);
    live_tunnel_ptr begin_live() { return server_.seeing().begin_tunnel(std::move(note_), words()); }
    // Sends the last thing we have to say, and sees to it that it arrives.
    task<void> say_last(std::string text);
    // A connection to an origin for a tunnel; with a PROXY header of ours, if that is wanted.
    task<result<net::tls::connection>> reach_for_tunnel(const http::authority& where, const chosen_way& way,
                                                        address_filter may);
    // What came with it through a parent, and the parent.
    io::lease take_behind() noexcept { return std::move(behind_); }
    upstream::hold take_parent() noexcept { return std::move(parent_); }
    // What the client has sent behind its request goes to the origin first; what came from there goes to the client.
    std::unique_ptr<tunnel_plan> plan_tunnel(net::tls::connection origin, const http::authority& where,
                                             io::lease behind, upstream::hold parent = {});
    // Why a way could not be gone, besides the error; empty: there is no more to say.
    const std::string& why_not() const noexcept { return why_not_; }

private:
    task<bool> read_proxy_header();
    task<bool> secure(net::tls::server_context context);
    task<result<net::tls::stream>> shake_hands(net::tls::server_context context);
    bool welcome();
    task<verdict> deny(const denial& no);
    task<verdict> answer_in_time(duration most);
    task<bool> fill_input_until(time_point until);
    result<io::socket_address> arrived_at() const;
    task<bool> read_head();
    task<bool> wait_for_request();
    task<bool> wait_within(duration wait);
    task<verdict> say_and_close(bool keep_alive);
    task<result<void>> send_out();
    task<void> linger();
    task<void> discard_input();
    task<verdict> answer();
    task<verdict> answer_watched();
    task<void> watch_client(cancel_scope& request_scope);
    task<verdict> answer_options();
    bool asks_for_pac() const noexcept;
    task<verdict> answer_pac();
    task<verdict> admit();
    task<verdict> open_tunnel();
    task<verdict> forward();
    task<verdict> forward_by(const chosen_way& way, bool may_reuse);
    address_filter admitted();
    task<result<net::tls::connection>> reach(const http::authority& where, address_filter may);
    task<result<net::tls::connection>> reach_by(const chosen_way& way, const http::authority& where,
                                                address_filter may);
    net::tls::connection take_pooled(const std::string& origin_name);
    task<verdict> refuse_connect(error why, const http::authority& where);
    bool finish_request();
    void begin_note();
    void note_decision();
    request_words words() const noexcept;
    void note_pooled(const net::tls::connection& origin);

    proxy_server& server_;
    net::tls::connection& client_;
    guest& guest_;
    io::lease input_;  // from the client, not yet consumed
    http::byte_buffer out_;
    http::h1::request_parser request_;
    proxy::admission admission_;
    cancel_scope idle_scope_;
    counting_scope* reader_ = nullptr;  // who reads from the client now, besides our own frame
    request_note note_;
    const std::uint64_t number_;  // of this connection, on its loop
    std::string_view other_protocol_, other_method_;  // of what is no HTTP; literals
    std::string other_target_;
    std::string client_text_;  // its address, if anybody wants to know
    std::string last_origin_;
    std::unique_ptr<tunnel_plan> tunnel_;
    io::lease behind_;
    upstream::hold parent_;
    std::string why_not_;
    std::uint32_t retry_after_s_ = 0;  // of the denial that is being told
    bool first_request_ = true;
    bool input_stopped_ = false;
    bool answering_ = false;
    bool answer_open_ = false;  // the client has the beginning of an answer without its end
    std::string_view unsaid_;  // the rest of an interim response of ours, of which the client has the beginning
    bool request_over_ = false;  // a request without a body: nothing more of it is to come
    bool speaks_socks_ = false;
    std::unique_ptr<socks::proxy_header> introduced_as_;  // by a trusted source
};

}  // namespace co_wq::proxy
