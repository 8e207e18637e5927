// Rows of what waits on named pipes of Windows.
#include <windows.h>
#undef near
#undef far

#include <atomic>

#include "net/named_pipe.hpp"
#include "stream_rows.hpp"

namespace co_wq::contract {
namespace {

constexpr const char* no_pipes = "the simulated network has no pipes";

std::string new_name() {
    static std::atomic<int> number{0};
    return R"(\\.\pipe\co_wq_row_)" + std::to_string(::GetCurrentProcessId()) + "_" + std::to_string(number++);
}

template <class Base>
class on_pipe : public Base {
public:
    using Base::Base;
    task<void> fail() override {
        this->far->close();
        co_return;
    }

protected:
    task<void> connect() override {
        const std::size_t before = this->loop.reactor().descriptors().live();
        const std::string name = new_name();
        net::named_pipe_listener listener = net::named_pipe_listener::bind(this->loop, name).value();
        net::named_pipe_stream near = (co_await net::named_pipe_stream::connect(this->loop, name)).value();
        net::named_pipe_stream far = (co_await listener.accept()).value();
        this->near.emplace(std::move(near.socket()));
        this->far.emplace(std::move(far.socket()));
        listener.close();
        while (this->loop.reactor().descriptors().live() > before + 2) co_await nap();
    }
    // A write that is under way ends only when the peer reads.
    task<void> fill() override {
        static std::byte block[4096]{};
        io::descriptor& entry = *this->near->where().entry;
        for (int quiet = 0; quiet < 5; ++quiet) {
            op_slot::io_payload all{block, sizeof block, entry.index};
            while (this->loop.reactor().attempt(entry, op_kind::send, io::op_detail::plain, all) > 0) quiet = 0;
            co_await nap();
        }
    }
};

consteval plan pipe_receiving_plan(expectation value, expectation late, expectation at_ready) {
    plan made = receiving_plan(value, late, at_ready);
    made.error = ends("ok ");  // whoever is gone has ended
    return made;
}
consteval plan pipe_sending_plan() {
    plan made = sending_plan;
    made.error = ends("broken pipe");
    return made;
}

template <io::direction Way>
class pipe_polling : public on_pipe<polling<Way>> {
public:
    using on_pipe<polling<Way>>::on_pipe;
    task<void> complete() override {
        if (Way == io::direction::hang_up) {
            this->far->close();
        } else {
            co_await on_pipe<polling<Way>>::complete();
        }
    }
};

class pipe_accept : public subject {
public:
    using subject::subject;
    task<void> set_up() override {
        listener_.emplace(net::named_pipe_listener::bind(loop, name_, {.backlog = 1}).value());
        if (at == cell::ready) co_await complete();
    }
    task<std::string> wait() override {
        const result<net::named_pipe_stream> got = co_await listener_->accept();
        if (!got) co_return got.error().message();
        co_return "ok";
    }
    task<void> complete() override {
        result<net::named_pipe_stream> made = co_await net::named_pipe_stream::connect(loop, name_);
        if (made) clients_.push_back(std::move(*made));
    }
    void close_owner() override { listener_->close(); }
    void destroy_owner() override { listener_.reset(); }

private:
    const std::string name_ = new_name();
    std::optional<net::named_pipe_listener> listener_;
    std::vector<net::named_pipe_stream> clients_;
};

}  // namespace

std::vector<variant> pipe_recv_rows() {
    return {{"recv from a named pipe", &make<on_pipe<plain_recv>>,
             pipe_receiving_plan(ends("ok x"), ends("ok x|stopped"), at_once("ok x")), no_pipes},
            {"recv of a named pipe's end", &make<on_pipe<recv_of_end>>,
             pipe_receiving_plan(ends("ok "), ends("ok |stopped"), at_once("ok ")), no_pipes}};
}
std::vector<variant> pipe_lease_rows() {
    return {{"recv_lease from a named pipe", &make<on_pipe<lease_recv>>,
             pipe_receiving_plan(ends("ok x"), ends("ok x|stopped"), ends("ok x")), no_pipes}};
}
std::vector<variant> pipe_send_rows() {
    return {{"send into a named pipe", &make<on_pipe<plain_send>>, pipe_sending_plan(), no_pipes}};
}
std::vector<variant> pipe_send_all_rows() {
    return {{"send_all into a named pipe", &make<on_pipe<whole_send<100>>>, pipe_sending_plan(), no_pipes},
            {"send_all into a named pipe, 300 kB", &make<on_pipe<whole_send<300'000>>>, pipe_sending_plan(), no_pipes}};
}
std::vector<variant> pipe_send_parts_rows() {
    return {
        {"send_all of parts into a named pipe", &make<on_pipe<parts_send<100'000>>>, pipe_sending_plan(), no_pipes}};
}
std::vector<variant> pipe_poll_rows() {
    return {{"a named pipe to read", &make<pipe_polling<io::direction::read>>, polling_plan, no_pipes},
            {"a named pipe to write", &make<pipe_polling<io::direction::write>>, polling_plan, no_pipes},
            {"a named pipe's end", &make<pipe_polling<io::direction::read_end>>, polling_plan, no_pipes},
            {"a named pipe whose peer is gone", &make<pipe_polling<io::direction::hang_up>>, polling_plan, no_pipes}};
}
std::vector<variant> pipe_accept_rows() {
    return {{"named_pipe_listener accept", &make<pipe_accept>,
             operation_plan(ends("ok"), ends("ok"), none("nothing limits a process's handles"), ends("ok|stopped")),
             no_pipes}};
}

}  // namespace co_wq::contract
