// A system that refuses: for child processes of death tests, because a filter can never be taken away again.
#pragma once

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <iterator>

namespace co_wq::test {

// From now on the system call answers with the error.
inline void refuse_call(long number, int error) {
    const sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(number), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog filter{std::size(program), const_cast<sock_filter*>(program)};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
        std::abort();
}

// While it lives, the process can open `room` more files and no more.
class few_files {
public:
    explicit few_files(unsigned room) {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        rlimit limit = before_;
        int next = 0;
        for (unsigned found = 0; found < room; ++next)
            if (::fcntl(next, F_GETFD) < 0) ++found;
        limit.rlim_cur = static_cast<rlim_t>(next);
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
    few_files(const few_files&) = delete;
    few_files& operator=(const few_files&) = delete;
    ~few_files() { ::setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
};

}  // namespace co_wq::test
