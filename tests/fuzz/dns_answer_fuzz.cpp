// Answers of a name server: a resolver asks a server on loopback, whose answers are the input; c-ares parses them as
// it does in the proxy. Whatever comes, a lookup ends with an answer of the server's or an error that says so, its
// addresses are from the packet, and the cache keeps what was said.
// Of services, texts and names of addresses: every question ends, and with the answer that is kept.
// Input: a byte that chooses, one for the family or the kind of question; then flags, counts and what is behind the
// question, or a whole packet.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>

#include "fuzzing.hpp"
#include "io/socket.hpp"
#include "net/dns/resolver.hpp"
#include "task/scope.hpp"

namespace {

using namespace co_wq;

constexpr std::size_t header_bytes = 12;
constexpr const char* asked_name = "host.example";

// How the bytes of the input become an answer.
struct recipe {
    bool whole_packet = false;  // the input begins with a header of its own; else it is what follows flags and question
    bool forged = false;  // for another question: must be ignored
    bool bare_tcp = false;  // over TCP the input is the stream, length and all
    std::string_view bytes;
};

std::string answer_to(const std::string& question, const recipe& how) {
    std::string made;
    if (how.whole_packet) {
        made = question.substr(0, 2) + std::string(how.bytes);
    } else {
        std::string flags_and_counts(how.bytes.substr(0, 10));
        flags_and_counts.resize(10);
        flags_and_counts[0] = static_cast<char>(flags_and_counts[0] | 0x80);  // an answer
        made = question.substr(0, 2) + flags_and_counts + question.substr(header_bytes);
        made += how.bytes.substr(std::min<std::size_t>(10, how.bytes.size()));
    }
    if (how.forged) made[0] = static_cast<char>(made[0] ^ 0x55);
    return made;
}

// Ends the query if the answer before it was ignored.
std::string no_such_name(const std::string& question) {
    std::string made = question;
    made[2] = '\x81';
    made[3] = '\x83';
    return made;
}

std::string framed(const std::string& packet) {
    const char size[] = {static_cast<char>(packet.size() >> 8), static_cast<char>(packet.size())};
    return std::string(size, sizeof size) + packet;
}

class server {
public:
    explicit server(io::event_loop& loop) : loop_(loop), tasks_(loop) {
        open();
        tasks_.spawn(serve_udp(*this), "name server, UDP");
        tasks_.spawn(serve_tcp(*this), "name server, TCP");
    }
    ~server() { tasks_.destroy_all(); }

    void answer_with(const recipe& how) { how_ = how; }
    std::string address() const { return address_.text(); }
    const std::string& sent() const { return sent_; }
    void forget() { sent_.clear(); }

private:
    // Both transports have one port; the system chooses it, and again if TCP's is taken.
    void open() {
        for (int attempt = 0; attempt < 100; ++attempt) {
            const int handle = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
            sockaddr_in where{};
            where.sin_family = AF_INET;
            where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            const bool bound = ::bind(handle, reinterpret_cast<sockaddr*>(&where), sizeof where) == 0;
            fuzz::demand(bound, "there is a port", "bind");
            udp_ = io::socket(loop_, handle, io::descriptor_kind::datagram);
            address_ = udp_.local_address().value();
            const auto listener = loop_.reactor().calls().open_listener(address_, 64, false);
            if (!listener) continue;
            tcp_ = io::socket(loop_, *listener, io::descriptor_kind::listener);
            return;
        }
        fuzz::fail("there is a port for both UDP and TCP", "open");
    }

    static task<void> serve_udp(server& me) {
        for (;;) {
            const result<void> ready = co_await me.udp_.ready(io::direction::read);
            if (!ready) co_return;
            char packet[2048];
            sockaddr_storage from{};
            socklen_t length = sizeof from;
            const ssize_t got =
                ::recvfrom(me.udp_.handle(), packet, sizeof packet, 0, reinterpret_cast<sockaddr*>(&from), &length);
            if (got <= static_cast<ssize_t>(header_bytes)) continue;
            const std::string question(packet, static_cast<std::size_t>(got));
            for (const std::string& one : {answer_to(question, me.how_), no_such_name(question)}) {
                me.sent_ += one;
                (void)::sendto(me.udp_.handle(), one.data(), one.size(), 0, reinterpret_cast<const sockaddr*>(&from),
                               length);
            }
        }
    }

    static task<void> serve_tcp(server& me) {
        for (;;) {
            result<io::socket> from = co_await me.tcp_.accept();
            if (!from) co_return;
            me.tasks_.spawn(serve_connection(me, std::move(*from)), "name server connection");
        }
    }

    static task<void> serve_connection(server& me, io::socket from) {
        std::string arrived;
        for (;;) {
            char chunk[2048];
            const result<std::size_t> got = co_await from.recv(std::as_writable_bytes(std::span(chunk)));
            if (!got || *got == 0) co_return;
            arrived.append(chunk, *got);
            while (arrived.size() > 2 + header_bytes) {
                const std::size_t size = static_cast<std::size_t>(static_cast<unsigned char>(arrived[0])) << 8 |
                                         static_cast<unsigned char>(arrived[1]);
                if (arrived.size() < 2 + size) break;
                const std::string question = arrived.substr(2, size);
                arrived.erase(0, 2 + size);
                std::string stream(me.how_.bytes);
                if (!me.how_.bare_tcp) stream = framed(answer_to(question, me.how_)) + framed(no_such_name(question));
                me.sent_ += stream;
                const result<void> sent = co_await from.send_all(as_bytes(std::string_view(stream)));
                if (!sent || me.how_.bare_tcp) co_return;
            }
        }
    }

    io::event_loop& loop_;
    io::socket udp_, tcp_;
    io::socket_address address_;
    recipe how_;
    std::string sent_;
    counting_scope tasks_;
};

constexpr std::size_t addresses_max = 4;

net::dns::resolver_options options_for(const server& asked) {
    net::dns::resolver_options made;
    made.servers = asked.address();
    made.search = false;
    made.hosts_file = "";
    made.query_timeout = std::chrono::seconds(5);
    made.tries = 1;
    made.addresses_max = addresses_max;
    // nothing that is said is forgotten before it is asked for again
    made.ttl_min = made.negative_ttl = made.negative_ttl_min = std::chrono::minutes(10);
    made.failure_ttl = std::chrono::minutes(5);
    made.ttl_max = std::chrono::hours(1);
    made.seed = 1;
    return made;
}

struct world {
    io::event_loop loop{io::loop_options{.reactor = io::reactor_kind::epoll, .name = "fuzz"}};
    server asked{loop};
    net::dns::resolver names{loop, options_for(asked)};
};

using found = result<net::dns::address_list>;

task<found> ask(world& in, net::dns::families wanted) {
    found answer = co_await in.names.resolve(asked_name, 80, wanted);
    co_return answer;
}

// What came of a question that is not for addresses, as text.
task<std::string> ask_other(world& in, std::uint8_t kind) {
    std::string text;
    if (kind == 0) {
        net::dns::service_options options;
        options.addresses = true;
        const auto list = co_await in.names.services(asked_name, options);
        if (!list) co_return net::dns::explain(list.error());
        for (const net::dns::service& one : *list) text += one.target + " ";
        co_return text;
    }
    if (kind == 1) {
        const auto list = co_await in.names.reverse(io::socket_address::ipv4({192, 0, 2, 1}, 0));
        if (!list) co_return net::dns::explain(list.error());
        for (const std::string& one : *list) text += one + " ";
        co_return text;
    }
    const auto type = kind == 2 ? net::dns::record_type::txt : net::dns::record_type::any;
    const auto found = co_await in.names.query(asked_name, type);
    if (!found) co_return net::dns::explain(found.error());
    for (const net::dns::record& one : found->records) text += one.name + "=" + one.data + " ";
    co_return text;
}

void other_questions(world& in, std::uint8_t kind) {
    const std::string answer = in.loop.run(ask_other(in, kind));
    const auto seen = [&] { return answer + "\nsent: " + fuzz::shown(in.asked.sent()); };
    fuzz::demand(in.names.counters().in_flight == 0, "nothing is in flight afterwards", seen);
    fuzz::demand(!answer.empty() && !answer.starts_with("timed out"), "the answer says what the server did", seen);
    const std::uint64_t queries = in.names.counters().queries;
    const std::string again = in.loop.run(ask_other(in, kind));
    fuzz::demand(in.names.counters().queries == queries, "what was said is kept", seen);
    fuzz::demand(answer.size() == again.size(), "and said again, perhaps in another order", seen);
}

std::string text_of(const found& answer) {
    if (!answer) return net::dns::explain(answer.error());
    std::string text;
    for (const io::socket_address& one : *answer) text += one.text() + " ";
    return text;
}

void expect_from_the_packet(const found& answer, const world& in, net::dns::families wanted) {
    const auto seen = [&] { return text_of(answer) + "\nsent: " + fuzz::shown(in.asked.sent()); };
    fuzz::demand(!answer->empty() && answer->size() <= 2 * addresses_max, "some addresses, and not too many", seen);
    for (const io::socket_address& one : *answer) {
        const bool ipv6 = one.family() == io::address_family::ipv6;
        fuzz::demand(ipv6 ? wants_ipv6(wanted) : wants_ipv4(wanted), "only the families that were wanted", seen);
        fuzz::demand(one.port() == 80 && one.scope() == 0, "the port is ours", seen);
        const std::string_view octets(reinterpret_cast<const char*>(one.octets().data()), ipv6 ? 16 : 4);
        fuzz::demand(in.asked.sent().contains(octets), "an address is one that was sent", seen);
        fuzz::demand(std::count(answer->begin(), answer->end(), one) == 1, "each address once", seen);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static world in;
    fuzz::input from(data, size);
    const std::uint8_t choice = from.choice();
    const std::uint8_t kind = from.choice();
    const auto wanted = static_cast<net::dns::families>(kind & 3);
    recipe how{.whole_packet = (choice & 1) != 0,
               .forged = (choice & 6) == 6,
               .bare_tcp = (choice & 24) == 24,
               .bytes = from.rest().substr(0, 1200)};  // what fits a datagram
    if (how.forged) how.bare_tcp = false;
    in.asked.answer_with(how);
    in.asked.forget();
    in.names.flush();
    if ((kind & 4) != 0) {
        other_questions(in, kind >> 3 & 3);
        return 0;
    }

    const found answer = in.loop.run(ask(in, wanted));
    const auto seen = [&] { return text_of(answer) + "\nsent: " + fuzz::shown(in.asked.sent()); };
    fuzz::demand(in.names.counters().in_flight == 0, "nothing is in flight afterwards", seen);
    if (answer) {
        expect_from_the_packet(answer, in, wanted);
    } else {
        const errc code = answer.error().code();
        fuzz::demand(code == errc::name_not_found || code == errc::name_no_data || code == errc::name_server_failed,
                     "an error says what the server did", seen);
    }
    if (how.forged) fuzz::demand(!answer && answer.error() == errc::name_not_found, "a forged answer is ignored", seen);

    const std::uint64_t queries = in.names.counters().queries;
    const found again = in.loop.run(ask(in, wanted));
    fuzz::demand(in.names.counters().queries == queries, "what was said is kept", seen);
    fuzz::demand(text_of(again) == text_of(answer), "and said again", seen);
    return 0;
}
