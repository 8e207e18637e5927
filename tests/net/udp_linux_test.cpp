// Datagrams of local sockets, which carry files.
#include <sys/socket.h>
#include <unistd.h>

#include "io/reactors.hpp"

namespace co_wq::net {
namespace {

class udp_of_linux : public io::test::on_every_reactor {};

// A local socket's peer may send open files along, which nobody asked for.
TEST_P(udp_of_linux, files_that_come_with_a_datagram_are_closed) {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    const io::socket near(*loop, ends[0], io::descriptor_kind::datagram);
    const auto next_free = [] {
        const int number = ::dup(0);
        ::close(number);
        return number;
    };
    const int before = next_free();
    for (const std::size_t files : {1u, 5u}) {
        alignas(cmsghdr) unsigned char control[CMSG_SPACE(5 * sizeof(int))]{};
        char text[] = "x";
        iovec memory{text, 1};
        msghdr header{};
        header.msg_iov = &memory;
        header.msg_iovlen = 1;
        header.msg_control = control;
        header.msg_controllen = CMSG_SPACE(files * sizeof(int));
        cmsghdr* note = CMSG_FIRSTHDR(&header);
        note->cmsg_level = SOL_SOCKET;
        note->cmsg_type = SCM_RIGHTS;
        note->cmsg_len = CMSG_LEN(files * sizeof(int));
        ASSERT_EQ(::sendmsg(ends[1], &header, 0), 1);
        auto receive = [](const io::socket& at) -> task<std::uint32_t> {
            std::byte room[4];
            const result<io::received> got = co_await at.recv_from(room);
            co_return got ? got->size : 0;
        };
        EXPECT_EQ(loop->run(receive(near)), 1u);
    }
    EXPECT_EQ(next_free(), before);
    ::close(ends[1]);
}

INSTANTIATE_TEST_SUITE_P(net, udp_of_linux, io::test::every_kernel, &io::test::name_of_case);

}  // namespace
}  // namespace co_wq::net
