// Races of calls to the file system, which the kernel or a thread completes by itself.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "arena.hpp"
#include "io/copy_file.hpp"
#include "io/directory.hpp"
#include "io/file_service.hpp"

namespace co_wq::storm {
namespace {

constexpr std::size_t text_bytes = 20'000;

// A folder with a file whose bytes are known, opened anew for each bout that closes it.
class stage {
public:
    explicit stage(arena& in) : loop_(in.loop()) {
        char name[] = "/tmp/co_wq_races_XXXXXX";
        folder_ = ::mkdtemp(name);
        plain_ = ::open(path("f").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        put('a');
        open_again();
        in.also_close([this] { file.close(); });
    }
    stage(const stage&) = delete;
    ~stage() {
        ::close(plain_);
        std::filesystem::remove_all(folder_);
    }
    void open_again() {
        if (!file.is_open()) file = io::file(loop_, ::open(path("f").c_str(), O_RDWR | O_CLOEXEC));
    }
    void put(char fill) const {
        const std::string text(text_bytes, fill);
        (void)!::pwrite(plain_, text.data(), text.size(), 0);
    }
    // How many bytes from the start are these; -1: others are among them.
    long count(char fresh, char old) const {
        std::string text(text_bytes, '\0');
        (void)!::pread(plain_, text.data(), text.size(), 0);
        const std::size_t end = text.find_first_not_of(fresh);
        if (end == std::string::npos) return static_cast<long>(text_bytes);
        return text.find_first_not_of(old, end) == std::string::npos ? static_cast<long>(end) : -1;
    }
    std::string path(const std::string& name) const { return folder_ + "/" + name; }
    io::event_loop& loop() const { return loop_; }

    io::file file;
    std::size_t reported = 0;
    bool right = false;

private:
    io::event_loop& loop_;
    std::string folder_;
    int plain_ = -1;
};

// It was closed before the victim came to it.
bool is_closed(const stage& on, last_words& words) {
    if (on.file.is_open()) return false;
    words.say(result<void>(fail(errc::closed)));
    return true;
}

bool all_are(const_bytes data, char wanted) {
    for (const std::byte one : data)
        if (one != static_cast<std::byte>(wanted)) return false;
    return true;
}

task<void> reads(stage& on, last_words& words) {
    if (is_closed(on, words)) co_return;
    const result<io::lease> got = co_await on.file.read_at(0, text_bytes);
    on.right = false;
    if (words.say(got)) on.right = got->size() == text_bytes && all_are(got->data(), 'a');
}

report race_reads(io::reactor_kind kind, long bouts) {
    arena in(kind, bouts);
    {
        stage on(in);
        while (in.next()) {
            on.open_again();
            in.fight(reads(on, in.words));
            if (in.words.won) in.check(on.right, "other bytes were read");
            in.settle();
            in.check(io::file_buffers(in.loop()).lent() == 0, "a block is lost");
        }
    }
    return in.finish();
}

task<void> writes(stage& on, char fill, last_words& words) {
    on.reported = 0;
    on.right = true;
    if (is_closed(on, words)) co_return;
    io::lease block = io::file_buffers(on.loop()).take(text_bytes);
    block.set_size(text_bytes);
    std::memset(block.data().data(), fill, text_bytes);
    const io::file_written done = co_await on.file.write_at(0, std::move(block));
    on.reported = done.written;
    on.right = done.buffer.size() == text_bytes && all_are(done.buffer.data(), fill);
    words.say(done.outcome);
}

report race_writes(io::reactor_kind kind, long bouts) {
    arena in(kind, bouts);
    {
        stage on(in);
        char old = 'a';
        while (in.next()) {
            on.open_again();
            const char fresh = static_cast<char>('b' + in.bout() % 20);
            on.put(old);
            in.fight(writes(on, fresh, in.words));
            in.settle();
            const long count = on.count(fresh, old);
            in.check(count >= 0, "bytes that nobody wrote");
            if (in.words.ended) {
                in.check(on.right, "the block did not come back");
                in.check(count == static_cast<long>(on.reported), "written and reported differ");
            }
            in.check(io::file_buffers(in.loop()).lent() == 0, "a block is lost");
            old = fresh;
        }
    }
    return in.finish();
}

task<void> opens(stage& on, std::string where, io::file& into, last_words& words) {
    const io::open_options how{.access = io::file_access::read_write, .creation = io::file_creation::if_missing};
    result<io::file> made = co_await io::file::open(on.loop(), where, how);
    if (words.say(made)) into = std::move(*made);
}

report race_opens(io::reactor_kind kind, long bouts) {
    arena in(kind, bouts);
    {
        stage on(in);
        in.also_close({});
        const std::size_t open = open_descriptors();
        while (in.next()) {
            io::file made;
            in.fight(opens(on, on.path("f"), made, in.words));
            in.check(made.is_open() == in.words.won, "an open file is lost");
            made.close();
            in.settle();
            in.check(open_descriptors() == open, "what was opened for nobody stays open");
        }
    }
    return in.finish();
}

task<void> renames(stage& on, std::string from, std::string to, last_words& words) {
    const result<void> done = co_await io::file_system(on.loop()).rename(from, to);
    words.say(done);
}

report race_renames(io::reactor_kind kind, long bouts) {
    arena in(kind, bouts);
    {
        stage on(in);
        in.also_close({});
        std::string here = on.path("f"), there = on.path("g");
        while (in.next()) {
            in.fight(renames(on, here, there, in.words));
            in.settle();
            struct stat found{};
            const bool moved = ::stat(there.c_str(), &found) == 0;
            if (in.words.ended) in.check(moved == in.words.won, "renamed and reported differ");
            if (moved) std::swap(here, there);
            in.check(::stat(here.c_str(), &found) == 0, "the file is nowhere");
        }
    }
    return in.finish();
}

task<void> looks(stage& on, last_words& words) {
    if (is_closed(on, words)) co_return;
    const result<io::file_status> found = co_await on.file.status();
    if (words.say(found)) on.right = found->size_bytes == text_bytes;
}

report race_status(io::reactor_kind kind, long bouts) {
    arena in(kind, bouts);
    {
        stage on(in);
        while (in.next()) {
            on.open_again();
            in.fight(looks(on, in.words));
            if (in.words.won) in.check(on.right, "another status");
            in.settle();
        }
    }
    return in.finish();
}

task<void> lists(stage& on, last_words& words) {
    if (is_closed(on, words)) co_return;
    const io::file& folder = on.file;
    const result<std::vector<io::directory_entry>> some = co_await io::detail::directory_awaiter(folder.where());
    if (words.say(some)) on.right = some->size() == 1;
}

report race_lists(io::reactor_kind kind, long bouts) {
    arena in(kind, bouts);
    {
        stage on(in);
        while (in.next()) {
            on.file = io::file(in.loop(), ::open(on.path(".").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
            in.fight(lists(on, in.words));
            if (in.words.won) in.check(on.right, "other entries");
            on.file.close();
            in.settle();
            in.check(io::file_buffers(in.loop()).lent() == 0, "a block is lost");
        }
    }
    return in.finish();
}

task<void> moves(stage& on, io::file& to, last_words& words) {
    if (is_closed(on, words)) co_return;
    const result<std::uint64_t> moved = co_await io::detail::file_transfer_awaiter(on.file, to, 0, text_bytes, false);
    if (words.say(moved)) on.right = *moved == text_bytes;
}

report race_transfers(io::reactor_kind kind, long bouts) {
    arena in(kind, bouts);
    {
        stage on(in);
        io::file to(in.loop(), ::open(on.path("g").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        while (in.next()) {
            on.open_again();
            in.fight(moves(on, to, in.words));
            if (in.words.won) in.check(on.right, "fewer bytes");
            in.settle();
            in.check(io::file_buffers(in.loop()).lent() == 0, "a block is lost");
        }
        to.close();
    }
    return in.finish();
}

}  // namespace

const std::vector<race>& file_races() {
    static const std::vector<race> all{
        {"file_read", &race_reads},         {"file_write", &race_writes},  {"file_open", &race_opens},
        {"file_rename", &race_renames},     {"file_status", &race_status}, {"directory_read", &race_lists},
        {"file_transfer", &race_transfers},
    };
    return all;
}

}  // namespace co_wq::storm
