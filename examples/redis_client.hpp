// A client of redis on hiredis: how a C library with descriptors and callbacks is put on a loop, and how one of its
// operations is awaited. What hiredis holds of a waiting command is a record, never a coroutine frame: the waiter may
// be cancelled or destroyed, and the reply then finds a record that nobody looks at.
#pragma once

#include <hiredis/async.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "io/event_loop.hpp"
#include "io/foreign.hpp"
#include "sync/event.hpp"

namespace co_wq::examples {

class redis_client {
public:
    // port 0: where is the path of a local socket. What goes wrong is told by the first command.
    redis_client(io::event_loop& loop, const std::string& where, int port)
        : bridge_(loop, &on_ready, this, "redis"),
          redis_(port == 0 ? redisAsyncConnectUnix(where.c_str()) : redisAsyncConnect(where.c_str(), port)) {
        if (!redis_) return;
        if (redis_->err != 0) {
            why_ = error_of(*redis_);
            leave();
            return;
        }
        redis_->data = redis_->ev.data = this;
        handle_ = redis_->c.fd;
        redis_->ev.addRead = [](void* self) { of(self).want(&io::interest::read, true); };
        redis_->ev.delRead = [](void* self) { of(self).want(&io::interest::read, false); };
        redis_->ev.addWrite = [](void* self) { of(self).want(&io::interest::write, true); };
        redis_->ev.delWrite = [](void* self) { of(self).want(&io::interest::write, false); };
        redis_->ev.cleanup = [](void* self) { of(self).bridge_.remove(of(self).handle_); };
        redisAsyncSetConnectCallback(redis_, [](const redisAsyncContext* ended, int status) {
            if (status != REDIS_OK) of(ended->data).lost(*ended);
        });
        redisAsyncSetDisconnectCallback(redis_,
                                        [](const redisAsyncContext* ended, int) { of(ended->data).lost(*ended); });
    }
    redis_client(const redis_client&) = delete;
    // Commands that wait end with `closed`.
    ~redis_client() {
        if (redis_) leave();
    }

    // Errors: not_found (nil), bad_message (redis says no), closed, and what ended the connection. Commands that are
    // started without awaiting the one before are pipelined.
    template <class... Words>
    task<result<std::string>> command(const Words&... words) {
        return ask(std::vector<std::string>{std::string(words)...});  // g++ 12: no list inside of a co_await
    }

private:
    task<result<std::string>> ask(std::vector<std::string> words) {
        if (!redis_) co_return fail(why_);
        const auto one = std::make_shared<waiting>();
        std::vector<const char*> texts;
        std::vector<std::size_t> sizes;
        for (const std::string& word : words) {
            texts.push_back(word.data());
            sizes.push_back(word.size());
        }
        auto kept = std::make_unique<std::shared_ptr<waiting>>(one);
        const int taken = redisAsyncCommandArgv(redis_, &on_reply, kept.get(), static_cast<int>(words.size()),
                                                texts.data(), sizes.data());
        if (taken != REDIS_OK) co_return fail(errc::closed);
        (void)kept.release();  // hiredis calls on_reply once, come what may
        const result<void> came = co_await one->done.wait();
        // from here on neither the client nor the connection need be there any more
        if (!came) co_return std::unexpected(came.error());
        co_return one->reply;
    }

    struct waiting {
        event done;
        result<std::string> reply = fail(errc::closed);
    };

    static redis_client& of(void* self) { return *static_cast<redis_client*>(self); }

    void want(bool io::interest::* what, bool on) {
        wanted_.*what = on;
        (void)bridge_.set(handle_, wanted_);
    }
    // hiredis frees the connection itself.
    void lost(const redisAsyncContext& ended) {
        if (ended.err != 0) why_ = error_of(ended);
        redis_ = nullptr;
    }
    void leave() { redisAsyncFree(redis_), redis_ = nullptr; }

    static error error_of(const redisAsyncContext& on) {
        switch (on.err) {
            case 0: return errc::closed;  // by us
            case REDIS_ERR_EOF: return errc::unexpected_eof;
            case REDIS_ERR_IO: return from_errno(errno);
            default: return errc::bad_message;
        }
    }
    static void on_ready(void* self, io::native_handle, io::direction way) noexcept {
        redisAsyncContext* const redis = of(self).redis_;
        way == io::direction::read ? redisAsyncHandleRead(redis) : redisAsyncHandleWrite(redis);
    }
    static void on_reply(redisAsyncContext* from, void* got, void* kept) {
        const std::unique_ptr<std::shared_ptr<waiting>> one(static_cast<std::shared_ptr<waiting>*>(kept));
        (*one)->reply = got ? reply_of(*static_cast<redisReply*>(got)) : fail(error_of(*from));
        (*one)->done.set();
    }
    static result<std::string> reply_of(const redisReply& got) {
        switch (got.type) {
            case REDIS_REPLY_NIL: return fail(errc::not_found);
            case REDIS_REPLY_ERROR: return fail(errc::bad_message);
            case REDIS_REPLY_INTEGER: return std::to_string(got.integer);
            case REDIS_REPLY_ARRAY: return got.elements > 0 ? reply_of(*got.element[got.elements - 1]) : "";
            default: return std::string(got.str, static_cast<std::size_t>(got.len));
        }
    }

    io::foreign_descriptors bridge_;
    io::interest wanted_;
    io::native_handle handle_ = io::no_handle;
    error why_ = errc::closed;
    redisAsyncContext* redis_;
};

}  // namespace co_wq::examples
