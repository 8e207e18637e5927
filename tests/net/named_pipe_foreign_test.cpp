// Named pipes of Windows whose other end is somebody who knows nothing of this library, and systems that refuse.
#include <aclapi.h>

#include <thread>

#include "named_pipes.hpp"
#include "pumped.hpp"
#include "support/on_wine.hpp"
#include "support/system.hpp"

namespace co_wq::net {
namespace {

using namespace test;

// A handle that waits in its calls.
class raw_pipe {
public:
    static raw_pipe client(const std::string& name, DWORD access = GENERIC_READ | GENERIC_WRITE) {
        return raw_pipe(::CreateFileA(name.c_str(), access, 0, nullptr, OPEN_EXISTING, 0, nullptr));
    }
    static raw_pipe server(const std::string& name, DWORD type) {
        return raw_pipe(::CreateNamedPipeA(name.c_str(), PIPE_ACCESS_DUPLEX, type, 1, 4096, 4096, 0, nullptr));
    }
    raw_pipe(raw_pipe&& other) noexcept : handle_(std::exchange(other.handle_, INVALID_HANDLE_VALUE)) {}
    ~raw_pipe() { close(); }
    bool is_open() const { return handle_ != INVALID_HANDLE_VALUE; }
    HANDLE get() const { return handle_; }
    void close() {
        if (is_open()) ::CloseHandle(std::exchange(handle_, INVALID_HANDLE_VALUE));
    }
    bool write(const void* data, std::size_t size) const {
        DWORD wrote = 0;
        return ::WriteFile(handle_, data, static_cast<DWORD>(size), &wrote, nullptr) && wrote == size;
    }
    // How many; 0: an end, or a failure.
    std::size_t read(void* into, std::size_t size) const {
        DWORD got = 0;
        if (!::ReadFile(handle_, into, static_cast<DWORD>(size), &got, nullptr) && ::GetLastError() != ERROR_MORE_DATA)
            return 0;
        return got;
    }

private:
    explicit raw_pipe(HANDLE handle) : handle_(handle) {}
    HANDLE handle_;
};

class foreign_pipe : public testing::Test {
protected:
    named_pipe_listener bound(io::event_loop& on) {
        result<named_pipe_listener> made = named_pipe_listener::bind(on, name);
        EXPECT_TRUE(made.has_value()) << made.error().message();
        return std::move(*made);
    }
    named_pipe_stream accepted(io::event_loop& on, const named_pipe_listener& from) {
        result<named_pipe_stream> got = on.run([](const named_pipe_listener& at) -> task<result<named_pipe_stream>> {
            result<named_pipe_stream> one = co_await at.accept();
            co_return one;
        }(from));
        EXPECT_TRUE(got.has_value()) << got.error().message();
        return std::move(*got);
    }
    static std::string text_from(io::event_loop& on, named_pipe_stream& from) { return on.run(read_text(from)); }

    const std::string name = new_pipe_name();
};

TEST_F(foreign_pipe, messages_longer_than_all_buffers_come_whole) {
    io::event_loop loop;
    const named_pipe_listener listener = bound(loop);
    std::size_t sent = 0;
    std::thread peer([&] {
        const raw_pipe client = raw_pipe::client(name);
        const std::vector<char> message(1'000'000, 'm');
        for (int i = 0; i < 3; ++i) sent += client.write(message.data(), message.size()) ? message.size() : 0;
    });
    named_pipe_stream far = accepted(loop, listener);
    EXPECT_EQ(loop.run(read_to_the_end(far)), 3'000'000u);
    peer.join();
    EXPECT_EQ(sent, 3'000'000u);
}

TEST_F(foreign_pipe, an_empty_message_is_the_end_and_what_comes_behind_it_is_nobodys) {
    io::event_loop loop;
    const named_pipe_listener listener = bound(loop);
    const raw_pipe client = raw_pipe::client(name);
    named_pipe_stream far = accepted(loop, listener);
    EXPECT_TRUE(client.write("x", 1));
    EXPECT_TRUE(client.write("", 0));
    EXPECT_TRUE(client.write("y", 1));
    EXPECT_EQ(text_from(loop, far), "x");
    EXPECT_EQ(text_from(loop, far), "");
    EXPECT_EQ(text_from(loop, far), "");
    ASSERT_TRUE(loop.run([](named_pipe_stream& to) -> task<result<void>> {
                        result<void> done = co_await to.send_all(as_bytes("answer"));
                        co_return done;
                    }(far))
                    .has_value());
    ASSERT_TRUE(far.shutdown_send().has_value());
    char into[10];
    EXPECT_EQ(client.read(into, sizeof into), 6u);
    EXPECT_EQ(client.read(into, sizeof into), 0u) << "our end is one to it, too";
}

TEST_F(foreign_pipe, one_that_keeps_no_messages_has_no_half_close) {
    io::event_loop loop;
    const raw_pipe server = raw_pipe::server(name, PIPE_TYPE_BYTE);
    ASSERT_TRUE(server.is_open());
    result<named_pipe_stream> near = loop.run(named_pipe_stream::connect(loop, name));
    ASSERT_TRUE(near.has_value()) << near.error().message();
    ASSERT_TRUE(server.write("hello", 5));
    EXPECT_EQ(text_from(loop, *near), "hello");
    const result<void> ended = near->shutdown_send();
    EXPECT_TRUE(!ended && ended.error() == errc::not_supported);
    ASSERT_TRUE(loop.run([](named_pipe_stream& to) -> task<result<void>> {
                        result<void> done = co_await to.send_all(as_bytes("still"));
                        co_return done;
                    }(*near))
                    .has_value());
    char into[10];
    EXPECT_EQ(server.read(into, sizeof into), 5u);
}

TEST_F(foreign_pipe, a_name_that_somebody_else_has_is_taken) {
    io::event_loop loop;
    const raw_pipe server = raw_pipe::server(name, PIPE_TYPE_BYTE);
    ASSERT_TRUE(server.is_open());
    const result<named_pipe_listener> made = named_pipe_listener::bind(loop, name);
    EXPECT_TRUE(!made && made.error() == errc::address_in_use);
}

TEST_F(foreign_pipe, by_default_this_user_and_administrators_have_rights) {
    io::event_loop loop;
    const named_pipe_listener listener = bound(loop);
    const raw_pipe client = raw_pipe::client(name);
    ASSERT_TRUE(client.is_open());
    ACL* rights = nullptr;
    PSECURITY_DESCRIPTOR all = nullptr;
    ASSERT_EQ(::GetSecurityInfo(client.get(), SE_KERNEL_OBJECT, DACL_SECURITY_INFORMATION, nullptr, nullptr, &rights,
                                nullptr, &all),
              DWORD{ERROR_SUCCESS});
    ASSERT_NE(rights, nullptr) << "everybody has all rights";
    alignas(TOKEN_USER) std::byte own[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
    DWORD size = 0;
    ASSERT_TRUE(::GetTokenInformation(::GetCurrentProcessToken(), TokenUser, own, sizeof own, &size));
    int user = 0, administrators = 0, system = 0;
    EXPECT_EQ(rights->AceCount, 3);
    for (WORD i = 0; i < rights->AceCount; ++i) {
        void* entry = nullptr;
        ASSERT_TRUE(::GetAce(rights, i, &entry));
        auto* const allowed = static_cast<ACCESS_ALLOWED_ACE*>(entry);
        EXPECT_EQ(allowed->Header.AceType, ACCESS_ALLOWED_ACE_TYPE);
        user += ::EqualSid(&allowed->SidStart, reinterpret_cast<const TOKEN_USER*>(own)->User.Sid) != 0;
        administrators += ::IsWellKnownSid(&allowed->SidStart, WinBuiltinAdministratorsSid) != 0;
        system += ::IsWellKnownSid(&allowed->SidStart, WinLocalSystemSid) != 0;
    }
    EXPECT_EQ(user, 1);
    EXPECT_EQ(administrators, 1);
    EXPECT_EQ(system, 1);
    ::LocalFree(all);
}

// A peer that ends without a word.
TEST_F(foreign_pipe, a_peer_that_dies_is_an_end) {
    io::event_loop loop;
    const named_pipe_listener listener = bound(loop);
    raw_pipe client = raw_pipe::client(name);
    named_pipe_stream far = accepted(loop, listener);
    ASSERT_TRUE(client.write("last", 4));
    client.close();
    EXPECT_EQ(text_from(loop, far), "last");
    EXPECT_EQ(text_from(loop, far), "");
    const result<void> sent = loop.run([](named_pipe_stream& to) -> task<result<void>> {
        result<void> done = co_await to.send_all(as_bytes("x"));
        co_return done;
    }(far));
    EXPECT_TRUE(!sent && sent.error() == errc::broken_pipe);
}

task<std::size_t> fills_and_leaves(io::event_loop& here, const named_pipe_listener& listener) {
    result<named_pipe_stream> far = co_await listener.accept();
    EXPECT_TRUE(far.has_value());
    const std::size_t sent = co_await fill_pipe(far->socket());
    (void)here;
    co_return sent;
}

TEST_F(foreign_pipe, a_loop_that_dies_delivers_what_was_accepted) {
    std::optional<io::event_loop> loop(std::in_place);
    std::optional<named_pipe_listener> listener(bound(*loop));
    const raw_pipe client = raw_pipe::client(name);
    const std::size_t sent = loop->run(fills_and_leaves(*loop, *listener));
    std::size_t got = 0;
    std::thread reads([&] {
        std::vector<char> block(1000);
        for (std::size_t size = 1; size > 0; got += size) size = client.read(block.data(), block.size());
    });
    listener.reset();
    loop.reset();
    reads.join();
    EXPECT_EQ(got, sent);
}

TEST_F(foreign_pipe, a_loop_that_dies_does_not_wait_for_ever_for_one_that_never_reads) {
    std::optional<io::event_loop> loop(std::in_place, io::loop_options{.shutdown_limit = 400ms});
    std::optional<named_pipe_listener> listener(bound(*loop));
    const std::size_t files = co_wq::test::open_files();
    raw_pipe client = raw_pipe::client(name);
    (void)loop->run(fills_and_leaves(*loop, *listener));
    const auto begin = std::chrono::steady_clock::now();
    listener.reset();
    loop.reset();
    EXPECT_GE(std::chrono::steady_clock::now() - begin, 150ms) << "it had some time";
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
    client.close();
    EXPECT_LT(co_wq::test::open_files(), files) << "nothing was leaked";
}

// Has no more to give after so many pipes.
class refusing_port final : public io::completion_port {
public:
    explicit refusing_port(int& left) : real_(io::make_completion_port()), left_(left) {}
    bool associate(io::native_handle pipe) noexcept override {
        if (left_-- > 0) return real_->associate(pipe);
        ::SetLastError(ERROR_NO_SYSTEM_RESOURCES);
        return false;
    }
    io::start_outcome start_poll(os::kernel_memory& operation, std::uint64_t word, std::uint32_t lane,
                                 io::native_handle socket, std::uint32_t events) noexcept override {
        return real_->start_poll(operation, word, lane, socket, events);
    }
    io::start_outcome start_read(os::kernel_memory& operation, std::uint64_t word, io::native_handle pipe,
                                 bytes into) noexcept override {
        return real_->start_read(operation, word, pipe, into);
    }
    io::start_outcome start_write(os::kernel_memory& operation, std::uint64_t word, io::native_handle pipe,
                                  const_bytes data) noexcept override {
        return real_->start_write(operation, word, pipe, data);
    }
    io::start_outcome start_listen(os::kernel_memory& operation, std::uint64_t word,
                                   io::native_handle pipe) noexcept override {
        return real_->start_listen(operation, word, pipe);
    }
    bool cancel_on(os::kernel_memory& operation, io::native_handle pipe) noexcept override {
        return real_->cancel_on(operation, pipe);
    }
    bool cancel(os::kernel_memory& operation, std::uint32_t lane) noexcept override {
        return real_->cancel(operation, lane);
    }
    std::size_t take(std::span<io::packet> into, std::int64_t limit_ms) noexcept override {
        return real_->take(into, limit_ms);
    }
    void wake() noexcept override { real_->wake(); }

private:
    std::unique_ptr<io::completion_port> real_;
    int& left_;
};

std::unique_ptr<io::reactor> made_refusing(void* left, op_slab& slots) {
    return std::make_unique<io::reactor_iocp>(slots, std::make_unique<refusing_port>(*static_cast<int*>(left)));
}

TEST_F(foreign_pipe, a_listener_without_further_instances_says_so_and_loses_nobody) {
    int left = 0;
    io::event_loop loop(io::loop_options{}, &made_refusing, &left);
    const std::size_t files = co_wq::test::open_files();
    const result<named_pipe_listener> none = named_pipe_listener::bind(loop, name);
    EXPECT_TRUE(!none && none.error() == errc::no_buffers) << none.error().message();
    EXPECT_EQ(co_wq::test::open_files(), files);
    left = 2;
    const named_pipe_listener listener = bound(loop);
    const raw_pipe first = raw_pipe::client(name), second = raw_pipe::client(name);
    ASSERT_TRUE(first.is_open() && second.is_open());
    named_pipe_stream one = accepted(loop, listener);
    const auto fails = [](const named_pipe_listener& from) -> task<errc> {
        const result<named_pipe_stream> got = co_await from.accept();
        co_return got ? errc::other : got.error().code();
    };
    EXPECT_EQ(loop.run(fails(listener)), errc::no_buffers);
    EXPECT_EQ(loop.run(fails(listener)), errc::no_buffers) << "as long as it is so";
    if (!co_wq::test::on_wine()) {  // Wine 8 overlooks FILE_FLAG_FIRST_PIPE_INSTANCE
        const result<named_pipe_listener> taken = named_pipe_listener::bind(loop, name);
        EXPECT_TRUE(!taken && taken.error() == errc::address_in_use);
    }
    left = 100;
    named_pipe_stream two = accepted(loop, listener);
    ASSERT_TRUE(second.write("second", 6));
    EXPECT_EQ(text_from(loop, two), "second");
}

}  // namespace
}  // namespace co_wq::net
