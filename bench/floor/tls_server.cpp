// What TLS costs without a runtime: OpenSSL on one level-triggered epoll loop with SSL_set_fd, SSL_read and SSL_write.
// Speaks as contestants/tls_server.cpp does, one thread.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "support/certificates.hpp"

namespace {

constexpr int block_bytes = 16 * 1024;
int epoll = -1;

struct connection {
    int handle;
    SSL* ssl;
    bool shaken = false;
    bool wants_write = false;
    char mode = 0;
    int held = 0;  // of the block, still to be echoed
    int begin = 0;
    std::vector<char> block = std::vector<char>(64 * 1024);
};

void watch(connection& one, bool write) {
    if (write == one.wants_write) return;
    one.wants_write = write;
    epoll_event event{(write ? EPOLLOUT : 0u) | (one.held ? 0u : EPOLLIN), {.ptr = &one}};
    epoll_ctl(epoll, EPOLL_CTL_MOD, one.handle, &event);
}

void drop(connection* one) {
    SSL_free(one->ssl);
    close(one->handle);
    delete one;
}

enum class outcome { goes_on, waits, over };

outcome judge(connection& one, int got) {
    switch (SSL_get_error(one.ssl, got)) {
        case SSL_ERROR_WANT_READ: watch(one, false); return outcome::waits;
        case SSL_ERROR_WANT_WRITE: watch(one, true); return outcome::waits;
        default: return outcome::over;
    }
}

outcome step(connection& one) {
    if (!one.shaken) {
        const int done = SSL_accept(one.ssl);
        if (done != 1) return judge(one, done);
        one.shaken = true;
        watch(one, false);
    }
    if (one.mode == 0) {
        const int got = SSL_read(one.ssl, &one.mode, 1);
        return got == 1 ? outcome::goes_on : judge(one, got);
    }
    if (one.mode == 's') {
        const int sent = SSL_write(one.ssl, one.block.data(), static_cast<int>(one.block.size()));
        return sent > 0 ? outcome::goes_on : judge(one, sent);
    }
    if (one.held > 0) {
        const int sent = SSL_write(one.ssl, one.block.data() + one.begin, one.held);
        if (sent <= 0) return judge(one, sent);
        one.begin += sent;
        one.held -= sent;
        if (one.held == 0) watch(one, false);
        return outcome::goes_on;
    }
    const int room = one.mode == 'e' ? block_bytes : static_cast<int>(one.block.size());
    const int got = SSL_read(one.ssl, one.block.data(), room);
    if (got <= 0) return judge(one, got);
    if (one.mode == 'e') {
        one.begin = 0;
        one.held = got;
    }
    return outcome::goes_on;
}

SSL_CTX* make_context() {
    const co_wq::test::made shown = co_wq::test::self_signed({.dns_names = {"localhost"}});
    SSL_CTX* const made = SSL_CTX_new(TLS_server_method());
    BIO* const certificate = BIO_new_mem_buf(shown.certificate.data(), static_cast<int>(shown.certificate.size()));
    BIO* const key = BIO_new_mem_buf(shown.key.data(), static_cast<int>(shown.key.size()));
    if (SSL_CTX_use_certificate(made, PEM_read_bio_X509(certificate, nullptr, nullptr, nullptr)) != 1 ||
        SSL_CTX_use_PrivateKey(made, PEM_read_bio_PrivateKey(key, nullptr, nullptr, nullptr)) != 1)
        std::abort();
    SSL_CTX_set_mode(made, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (std::getenv("TLS_READ_AHEAD")) SSL_CTX_set_read_ahead(made, 1);
    return made;
}

void accept_all(int listener, SSL_CTX* context) {
    for (;;) {
        const int handle = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (handle < 0) return;
        const int on = 1;
        setsockopt(handle, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        auto* one = new connection{handle, SSL_new(context)};
        SSL_set_fd(one->ssl, handle);
        epoll_event event{EPOLLIN, {.ptr = one}};
        epoll_ctl(epoll, EPOLL_CTL_ADD, handle, &event);
    }
}

}  // namespace

int main(int argc, char** argv) {
    int port = 0;
    for (int i = 1; i + 1 < argc; i += 2)
        if (std::strcmp(argv[i], "--port") == 0) port = std::atoi(argv[i + 1]);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, [](int) { _exit(0); });
    SSL_CTX* const context = make_context();
    epoll = epoll_create1(EPOLL_CLOEXEC);
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_port = htons(static_cast<std::uint16_t>(port));
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, reinterpret_cast<sockaddr*>(&where), sizeof where) != 0 || listen(listener, 4096) != 0) return 1;
    epoll_event event{EPOLLIN, {.ptr = nullptr}};
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    std::puts("READY");
    std::fflush(stdout);
    for (;;) {
        epoll_event events[256];
        const int count = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < count; ++i) {
            auto* const one = static_cast<connection*>(events[i].data.ptr);
            if (!one) {
                accept_all(listener, context);
                continue;
            }
            // in turns, as the runtime does; what is left is ready still
            outcome last = outcome::goes_on;
            for (int turn = 0; turn < 64 && last == outcome::goes_on; ++turn) last = step(*one);
            if (last == outcome::over) drop(one);
            if (last == outcome::goes_on && one->mode == 's') watch(*one, true);
        }
    }
}
