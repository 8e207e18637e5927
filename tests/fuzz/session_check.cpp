#include "session_check.hpp"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>

#include "fuzzing.hpp"
#include "reference_h1.hpp"
#include "reference_h1_head.hpp"
#include "reference_socks.hpp"

namespace co_wq::fuzz {
namespace {

using reference_h1::framing;
using reference_h1::message;
using reference_h1::reading;

constexpr std::string_view nobody_asked = "a response that nobody asked for";
constexpr std::string_view cut_off = "the stream ends inside a message";

std::string value_of(const message& one, std::string_view name) {
    for (const reference_h1::field& each : one.start.fields)
        if (reference_h1::detail::lower(each.name) == name) return each.value;
    return {};
}

std::string mark_of(const message& one) { return value_of(one, "mark"); }

bool is_interim(const message& one) { return one.start.status < 200 && one.start.status != 101; }

bool opens_tunnel(const message& one) {
    return one.start.status == 101 || (one.start.asked == "CONNECT" && one.start.status / 100 == 2);
}

std::vector<std::string> methods_of(const std::vector<message>& requests) {
    std::vector<std::string> out;
    for (const message& one : requests) out.push_back(one.start.method);
    return out;
}

// One side's requests and the other's answers on one connection.
struct conversation {
    std::vector<message> requests;
    reading answers;
    std::string refused;             // why there are no more requests
    std::optional<std::size_t> last; // the request that made it a tunnel
    std::string tunnel;              // what its client said behind it
    bool socks = false;              // it speaks SOCKS, and nothing else of this is there but its tunnel

    // The requests end where an answer opens a tunnel.
    void find_tunnel(std::string_view said_by_client) {
        std::size_t index = 0;
        for (const message& one : answers.messages) {
            if (opens_tunnel(one) && index < requests.size() && requests[index].complete) {
                last = index;
                tunnel = said_by_client.substr(requests[index].end);
                requests.resize(index + 1);
                refused.clear();
                return;
            }
            if (!is_interim(one)) ++index;
        }
    }
};

conversation read_socks_client(const connection& from) {
    conversation out;
    out.socks = true;
    if (const auto asked = reference_socks::read_handshake(from.said)) out.tunnel = from.said.substr(asked->where.end);
    return out;
}

conversation read_client(const connection& from) {
    if (reference_socks::is_socks(from.said)) return read_socks_client(from);
    conversation out;
    reading meant = reference_h1::read_requests(from.said);
    out.refused = meant.refused;
    for (message& one : meant.messages) {
        out.requests.push_back(std::move(one));
        if (!out.requests.back().start.persistent) break;
    }
    // one answer more may come: to what cannot be read, or has not come in time
    std::vector<std::string> methods = methods_of(out.requests);
    methods.emplace_back("GET");
    out.answers = reference_h1::read_responses(from.heard, methods, from.heard_its_end);
    out.find_tunnel(from.said);
    return out;
}

conversation read_origin(const connection& from) {
    conversation out;
    reading got = reference_h1::read_requests(from.heard);
    out.requests = std::move(got.messages);
    out.refused = std::move(got.refused);
    out.answers = reference_h1::read_responses(from.said, methods_of(out.requests), from.ended);
    out.find_tunnel(from.heard);
    return out;
}

class checker {
public:
    explicit checker(const session_record& record) : record_(record) {
        for (const connection& one : record.clients) clients_.push_back(read_client(one));
        for (const connection& one : record.origins) {
            tunnels_.push_back(is_tunnel(one));
            origins_.push_back(tunnels_.back() ? conversation{} : read_origin(one));
        }
        for (std::size_t which = 0; which < clients_.size(); ++which)
            for (std::size_t i = 0; i < clients_[which].requests.size(); ++i)
                meant_[mark_of(clients_[which].requests[i])] = {which, i};
        for (std::size_t which = 0; which < origins_.size(); ++which) note_answers(which);
    }

    void run() {
        if (std::getenv("CO_WQ_FUZZ_SHOW")) std::fputs(story().c_str(), stdout);
        for (std::size_t which = 0; which < origins_.size(); ++which)
            if (!tunnels_[which]) check_origin(which);
        for (std::size_t which = 0; which < clients_.size(); ++which) check_client(which);
    }

private:
    struct place {
        std::size_t which, index;
    };
    struct answer {
        std::size_t origin, index;  // to which of its requests
        const message* what;
    };

    // Bytes of a tunnel that was opened by CONNECT.
    bool is_tunnel(const connection& origin) const {
        if (origin.heard.empty()) return false;
        return std::any_of(clients_.begin(), clients_.end(), [&](const conversation& one) {
            const bool opened = one.socks || (one.last && one.requests[*one.last].start.method == "CONNECT");
            return opened && one.tunnel.starts_with(origin.heard);
        });
    }

    void note_answers(std::size_t which) {
        std::size_t index = 0;
        for (const message& one : origins_[which].answers.messages) {
            given_[mark_of(one)] = {which, index, &one};
            if (!is_interim(one)) ++index;
        }
    }

    std::string story() const {
        std::string out;
        for (std::size_t i = 0; i < clients_.size(); ++i) {
            out += "== client " + std::to_string(i) + " said " + shown(record_.clients[i].said) + "\nheard " +
                   shown(record_.clients[i].heard) + (record_.clients[i].heard_its_end ? " (end)\n" : "\n") +
                   "-- answers\n" + describe(clients_[i].answers);
            for (const message& one : clients_[i].requests) out += "-- meant " + describe(one);
        }
        for (std::size_t i = 0; i < origins_.size(); ++i) {
            out += "== origin " + std::to_string(i) + (tunnels_[i] ? " (tunnel)" : "") + " heard " +
                   shown(record_.origins[i].heard) + "\nsaid " + shown(record_.origins[i].said) +
                   (record_.origins[i].ended ? " (end)\n" : "\n") + "-- answers\n" + describe(origins_[i].answers);
            for (const message& one : origins_[i].requests) out += "-- got " + describe(one);
        }
        return out;
    }

    void require(bool holds, std::string_view property) const {
        demand(holds, property, [&] { return story(); });
    }

    // --- what an origin got ------------------------------------------------------------------------------------------

    void check_origin(std::size_t which) {
        const conversation& seen = origins_[which];
        require(seen.refused.empty(), "what an origin gets can be read: " + seen.refused);
        std::map<std::size_t, std::size_t> last;
        for (const message& got : seen.requests) {
            const auto found = meant_.find(mark_of(got));
            require(found != meant_.end(), "an origin gets what a client meant");
            const auto [client, index] = found->second;
            require(!last.contains(client) || last[client] < index, "requests reach an origin in their order");
            last[client] = index;
            const message& meant = clients_[client].requests[index];
            compare_request(meant, got);
            check_repeat(got, ++times_[found->first]);
            check_place(record_.origins[which].place, got);
        }
        if (!seen.last) return;
        const auto [client, index] = meant_.at(mark_of(seen.requests.back()));
        const std::size_t end = clients_[client].requests[index].end;
        require(std::string_view(record_.clients[client].said).substr(end).starts_with(seen.tunnel),
                "a tunnel's bytes are the client's");
    }

    void compare_request(const message& meant, const message& got) const {
        require(!got.complete || meant.complete, "a request that broke off does not look whole");
        message so_far = meant;
        if (!got.complete) {
            require(meant.body.starts_with(got.body), "what came of a body is its beginning");
            so_far.body = got.body;
            so_far.complete = false;
        }
        const std::string what = difference(so_far, got);
        require(what.empty(), "a request is passed on as it was meant: " + what);
    }

    void check_repeat(const message& got, int times) const {
        constexpr std::string_view repeatable[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"};
        const bool harmless =
            std::find(std::begin(repeatable), std::end(repeatable), got.start.method) != std::end(repeatable);
        require(times == 1 || (harmless && times == 2), "a request is sent once");
    }

    void check_place(unsigned which, const message& got) const {
        const std::optional<reference_h1::purpose> asked = purpose_of(got.start);
        require(asked.has_value(), "a request names its host");
        const auto& names = origin_places[which].names;
        require(std::find(std::begin(names), std::end(names), asked->where) != std::end(names),
                "a request reaches the host it names");
    }

    // --- what a client got -------------------------------------------------------------------------------------------

    void check_client(std::size_t which) {
        const conversation& seen = clients_[which];
        if (seen.socks) return check_socks(record_.clients[which]);
        const reading& answers = seen.answers;
        require(answers.refused.empty() || answers.refused == cut_off,
                "what a client gets can be read: " + answers.refused);
        std::size_t index = 0;
        for (const message& got : answers.messages) {
            const std::string mark = mark_of(got);
            if (mark.empty()) {
                check_own(seen, index, got, &got == &answers.messages.back());
            } else {
                check_passed(seen, index, got, mark);
            }
            if (!is_interim(got)) ++index;
        }
        if (!answers.tunnel.empty()) check_tunnel(seen);
    }

    void check_socks(const connection& one) const {
        const auto asked = reference_socks::read_handshake(one.said);
        const reference_socks::answers heard = reference_socks::read_answers(one.said[0] == 4 ? 4 : 5, one.heard);
        require(heard.right, "a SOCKS client hears SOCKS");
        require(!heard.granted || asked, "what is not whole is not granted");
        const std::string_view behind = std::string_view(one.heard).substr(heard.end);
        require(!heard.over || behind.empty(), "a refusal is the end");
        const bool tunnel = heard.granted && asked && asked->command == 1;
        require(tunnel || behind.empty(), "nothing comes but answers where no tunnel is");
        const bool known = std::any_of(record_.origins.begin(), record_.origins.end(),
                                       [&](const connection& origin) { return origin.said.starts_with(behind); });
        require(behind.empty() || known, "what comes out of a tunnel went into it");
    }

    void check_own(const conversation& seen, std::size_t index, const message& got, bool last) const {
        if (is_interim(got)) return require(got.start.status == 100, "an interim answer of the proxy's says to go on");
        if (index >= seen.requests.size()) {
            require(got.start.status >= 400 && !got.start.persistent && last, "a refusal of no request is the end");
            return;
        }
        const message& asked = seen.requests[index];
        const bool granted = asked.start.method == "CONNECT" && got.start.status == 200;
        const bool options = asked.start.method == "OPTIONS" && !value_of(asked, "max-forwards").empty();
        require(got.start.status >= 400 || granted || (options && got.start.status == 200),
                "an answer is an origin's or a refusal");
    }

    void check_passed(const conversation& seen, std::size_t index, const message& got, const std::string& mark) {
        require(index < seen.requests.size(), "an origin's answer is to a request");
        require(passed_.insert(mark).second, "an answer is given once");
        const auto found = given_.find(mark);
        if (found == given_.end()) return require(is_stray(mark), "an answer is one that an origin gave");
        const auto& [origin, to, meant] = found->second;
        require(mark_of(origins_[origin].requests.at(to)) == mark_of(seen.requests[index]),
                "an answer is the one to its request");
        require(!got.complete || meant->complete, "an answer that broke off does not look whole");
        message so_far = *meant;
        if (!got.complete) {
            require(meant->body.starts_with(got.body), "what came of an answer is its beginning");
            so_far.body = got.body;
            so_far.complete = false;
        }
        const std::string what = difference(so_far, got);
        require(what.empty(), "an answer is passed on as it was given: " + what);
    }

    // An origin said more than it was asked, and its next request had not reached it yet: nobody can tell that from an
    // answer.
    bool is_stray(const std::string& mark) const {
        for (std::size_t i = 0; i < origins_.size(); ++i)
            if (origins_[i].answers.refused == nobody_asked &&
                record_.origins[i].said.find("Mark: " + mark + "\r\n") != std::string::npos)
                return true;
        return false;
    }

    void check_tunnel(const conversation& seen) const {
        bool found = false;
        for (std::size_t i = 0; i < origins_.size(); ++i) {
            const connection& origin = record_.origins[i];
            const std::string_view said =
                tunnels_[i] || origin.heard.empty() ? origin.said : origins_[i].answers.tunnel;
            found = found || said.starts_with(seen.answers.tunnel);
        }
        require(found, "what comes out of a tunnel went into it");
    }

    const session_record& record_;
    std::vector<conversation> clients_, origins_;
    std::vector<bool> tunnels_;
    std::map<std::string, place> meant_;
    std::map<std::string, answer> given_;
    std::map<std::string, int> times_;
    std::set<std::string> passed_;
};

}  // namespace

void check_session(const session_record& record) { checker(record).run(); }

}  // namespace co_wq::fuzz
