// The other end of the TLS servers: blocking OpenSSL connections, one thread each.
//
//   tls_load --port P --mode e|s|k --connections N --seconds S [--bytes B]
//
// e: messages of B bytes, each sent when the last has come back whole; prints round trips a second. s, k: takes or
// gives blocks of 64 KiB; prints MiB a second.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

namespace {

std::atomic<bool> over{false};
std::atomic<long> done{0};

[[noreturn]] void give_up(const char* what) {
    std::fprintf(stderr, "tls_load: %s\n", what);
    std::exit(1);
}

void talk(SSL_CTX* context, int port, char mode, int size) {
    const int handle = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_port = htons(static_cast<std::uint16_t>(port));
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(handle, reinterpret_cast<sockaddr*>(&where), sizeof where) != 0) give_up("no connection");
    const int on = 1;
    setsockopt(handle, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    SSL* const ssl = SSL_new(context);
    SSL_set_fd(ssl, handle);
    if (SSL_connect(ssl) != 1) give_up("no handshake");
    if (SSL_write(ssl, &mode, 1) != 1) give_up("no first byte");
    std::vector<char> block(static_cast<std::size_t>(mode == 'e' ? size : 64 * 1024));
    const int all = static_cast<int>(block.size());
    while (!over) {
        if (mode != 's' && SSL_write(ssl, block.data(), all) != all) give_up("write");
        if (mode == 'k') done += all;
        for (int left = mode == 'k' ? 0 : all; left > 0;) {
            const int got = SSL_read(ssl, block.data(), left);
            if (got <= 0) give_up("read");
            if (mode == 's') done += got;
            left -= got;
        }
        if (mode == 'e') ++done;
    }
    _exit(0);
}

}  // namespace

int main(int argc, char** argv) {
    int port = 0, connections = 1, bytes = 64;
    double seconds = 1;
    char mode = 'e';
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string name = argv[i];
        if (name == "--port") port = std::atoi(argv[i + 1]);
        if (name == "--connections") connections = std::atoi(argv[i + 1]);
        if (name == "--bytes") bytes = std::atoi(argv[i + 1]);
        if (name == "--seconds") seconds = std::atof(argv[i + 1]);
        if (name == "--mode") mode = argv[i + 1][0];
    }
    signal(SIGPIPE, SIG_IGN);
    SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_read_ahead(context, 1);
    for (int i = 0; i < connections; ++i) std::thread(talk, context, port, mode, bytes).detach();
    using clock = std::chrono::steady_clock;
    std::this_thread::sleep_for(std::chrono::duration<double>(0.3));  // until all have begun
    const long before = done;
    const auto start = clock::now();
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    const double count = static_cast<double>(done - before);
    const double took = std::chrono::duration<double>(clock::now() - start).count();
    std::printf("%.0f\n", mode == 'e' ? count / took : count / took / (1 << 20));
    std::fflush(stdout);
    _exit(0);
}
