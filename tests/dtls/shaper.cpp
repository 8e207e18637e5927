#include "dtls/shaper.hpp"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace co_wq::net::tls::test {
namespace {

constexpr std::uint16_t queue_number = 7;

std::int64_t now_ms() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

bool bring_loopback_up() {
    const int any = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ifreq wanted{};
    std::strcpy(wanted.ifr_name, "lo");
    wanted.ifr_flags = IFF_UP | IFF_RUNNING;
    const bool done = any >= 0 && ::ioctl(any, SIOCSIFFLAGS, &wanted) == 0;
    ::close(any);
    return done;
}

// A message to nfnetlink_queue with one attribute.
std::vector<char> message(std::uint16_t type, std::uint16_t attribute, const void* data, std::size_t size) {
    std::vector<char> made(NLMSG_SPACE(sizeof(nfgenmsg)) + NLA_ALIGN(NLA_HDRLEN + size));
    const nlmsghdr head{.nlmsg_len = static_cast<std::uint32_t>(made.size()),
                        .nlmsg_type = static_cast<std::uint16_t>(NFNL_SUBSYS_QUEUE << 8 | type),
                        .nlmsg_flags = NLM_F_REQUEST,
                        .nlmsg_seq = 0,
                        .nlmsg_pid = 0};
    const nfgenmsg about{.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0, .res_id = htons(queue_number)};
    const nlattr note{.nla_len = static_cast<std::uint16_t>(NLA_HDRLEN + size), .nla_type = attribute};
    std::memcpy(made.data(), &head, sizeof head);
    std::memcpy(made.data() + NLMSG_HDRLEN, &about, sizeof about);
    std::memcpy(made.data() + NLMSG_SPACE(sizeof about), &note, sizeof note);
    std::memcpy(made.data() + NLMSG_SPACE(sizeof about) + NLA_HDRLEN, data, size);
    return made;
}

}  // namespace

shaper::shaper(shape wanted) : wanted_(wanted), random_(wanted.seed) {
    const std::string rule =
        "iptables -w -I INPUT -i lo -p udp -j NFQUEUE --queue-num " + std::to_string(queue_number) + " 2>&1";
    if (std::system("command -v iptables >/dev/null") != 0) {
        missing_ = "there is no iptables (Debian package iptables)";
    } else if (::unshare(CLONE_NEWNET) != 0) {
        missing_ = std::string("no network namespace: ") + std::strerror(errno);
    } else if (!bring_loopback_up()) {
        missing_ = "the namespace's loopback cannot be brought up";
    } else if (!open_queue()) {
        missing_ = std::string("no NFQUEUE in this kernel: ") + std::strerror(errno);
    } else if (std::system(rule.c_str()) != 0) {
        missing_ = "iptables cannot queue packets here";
    } else {
        thread_ = std::thread([this] { run(); });
    }
}

shaper::~shaper() {
    ending_ = true;
    if (thread_.joinable()) thread_.join();
    if (queue_ >= 0) ::close(queue_);
}

bool shaper::configure(std::uint16_t attribute, const void* data, std::size_t size) {
    std::vector<char> asked = message(NFQNL_MSG_CONFIG, attribute, data, size);
    const std::uint16_t flags = NLM_F_REQUEST | NLM_F_ACK;
    std::memcpy(asked.data() + offsetof(nlmsghdr, nlmsg_flags), &flags, sizeof flags);
    if (::send(queue_, asked.data(), asked.size(), 0) < 0) return false;
    alignas(nlmsghdr) char answer[4096];
    const ssize_t got = ::recv(queue_, answer, sizeof answer, 0);
    const auto* const head = reinterpret_cast<const nlmsghdr*>(answer);
    if (got < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(nlmsgerr))) || head->nlmsg_type != NLMSG_ERROR) return false;
    int failure = 0;
    std::memcpy(&failure, answer + NLMSG_HDRLEN, sizeof failure);
    errno = -failure;
    return failure == 0;
}

bool shaper::open_queue() {
    queue_ = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    if (queue_ < 0) return false;
    const nfqnl_msg_config_cmd bind{.command = NFQNL_CFG_CMD_BIND, ._pad = 0, .pf = htons(AF_INET)};
    const nfqnl_msg_config_params heads{.copy_range = 0, .copy_mode = NFQNL_COPY_META};
    const std::uint32_t length = htonl(4096);
    return configure(NFQA_CFG_CMD, &bind, sizeof bind) && configure(NFQA_CFG_PARAMS, &heads, sizeof heads) &&
           configure(NFQA_CFG_QUEUE_MAXLEN, &length, sizeof length);
}

void shaper::verdict(std::uint32_t packet, bool pass) {
    const nfqnl_msg_verdict_hdr said{.verdict = htonl(pass ? NF_ACCEPT : NF_DROP), .id = packet};
    const std::vector<char> asked = message(NFQNL_MSG_VERDICT, NFQA_VERDICT_HDR, &said, sizeof said);
    (void)::send(queue_, asked.data(), asked.size(), 0);
}

void shaper::decide(std::uint32_t packet) {
    ++seen_;
    if (random_.below(100) < wanted_.loss_percent) {
        ++lost_;
        return verdict(packet, false);
    }
    const auto wait = wanted_.delay_min_ms + random_.below(wanted_.delay_max_ms - wanted_.delay_min_ms + 1);
    held_.emplace(now_ms() + static_cast<std::int64_t>(wait), packet);
}

void shaper::receive() {
    alignas(nlmsghdr) char room[16'384];
    const ssize_t got = ::recv(queue_, room, sizeof room, MSG_DONTWAIT);
    for (ssize_t at = 0; at + static_cast<ssize_t>(NLMSG_HDRLEN) <= got;) {
        const auto* const head = reinterpret_cast<const nlmsghdr*>(room + at);
        if (head->nlmsg_len < NLMSG_HDRLEN || at + static_cast<ssize_t>(head->nlmsg_len) > got) return;
        std::size_t note_at = NLMSG_SPACE(sizeof(nfgenmsg));
        while (note_at + NLA_HDRLEN <= head->nlmsg_len) {
            nlattr note;
            std::memcpy(&note, room + at + note_at, sizeof note);
            if (note.nla_len < NLA_HDRLEN) break;
            if ((note.nla_type & NLA_TYPE_MASK) == NFQA_PACKET_HDR) {
                std::uint32_t packet = 0;
                std::memcpy(&packet, room + at + note_at + NLA_HDRLEN, sizeof packet);
                decide(packet);
            }
            note_at += NLA_ALIGN(note.nla_len);
        }
        at += NLMSG_ALIGN(head->nlmsg_len);
    }
}

void shaper::run() {
    while (!ending_) {
        pollfd one{.fd = queue_, .events = POLLIN, .revents = 0};
        if (::poll(&one, 1, held_.empty() ? 20 : 1) > 0) receive();
        while (!held_.empty() && held_.begin()->first <= now_ms()) {
            verdict(held_.begin()->second, true);
            held_.erase(held_.begin());
        }
    }
}

}  // namespace co_wq::net::tls::test
