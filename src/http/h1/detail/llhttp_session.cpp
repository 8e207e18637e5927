#include "http/h1/detail/llhttp_session.hpp"

#include <llhttp.h>

#include <new>

#include "base/assert.hpp"
#include "http/detail/grammar.hpp"

namespace co_wq::http::h1::detail {

static_assert(LLHTTP_STRICT_MODE == 1, "the loose grammar accepts what we refuse");

struct llhttp_callbacks {
    static llhttp_session& session(llhttp_t* parser) noexcept { return *static_cast<llhttp_session*>(parser->data); }
    static llhttp_t* parser(llhttp_session& of) noexcept {
        return std::launder(reinterpret_cast<llhttp_t*>(of.state_));
    }

    static header_list::slice slice_of(const llhttp_session& s, const char* at, std::size_t size) noexcept {
        CO_WQ_DEBUG_ASSERT(s.text_ != nullptr && at >= s.text_, "fields come from the text being fed");
        return {s.text_at_ + static_cast<std::uint32_t>(at - s.text_), static_cast<std::uint32_t>(size)};
    }

    static int on_field_name(llhttp_t* parser, const char* at, std::size_t size) noexcept {
        llhttp_session& s = session(parser);
        if (!s.fields_) return HPE_USER;  // a field where no head or trailer is being read
        s.name_ = slice_of(s, at, size);
        s.value_ = {};
        return HPE_OK;
    }
    static int on_field_value(llhttp_t* parser, const char* at, std::size_t size) noexcept {
        llhttp_session& s = session(parser);
        if (!s.fields_ || s.value_.size != 0) return HPE_USER;  // a folded value would come in two parts
        const std::string_view value = http::detail::trim({at, size});
        s.value_ = slice_of(s, value.data(), value.size());
        return HPE_OK;
    }
    static int on_field_complete(llhttp_t* parser) {
        llhttp_session& s = session(parser);
        s.fields_->add_from_text(s.name_, s.value_);
        return HPE_OK;
    }
    static int on_head_complete(llhttp_t* parser) noexcept {
        llhttp_session& s = session(parser);
        s.head_complete_ = true;
        s.chunked_ = (parser->flags & F_CHUNKED) != 0;
        s.has_length_ = (parser->flags & F_CONTENT_LENGTH) != 0;
        s.length_ = parser->content_length;
        return 0;
    }
    static int on_body(llhttp_t* parser, const char*, std::size_t size) noexcept {
        session(parser).body_bytes_ += size;
        return HPE_OK;
    }
    static int on_chunk_header(llhttp_t* parser) noexcept {
        llhttp_session& s = session(parser);
        s.has_chunk_size_ = true;
        s.chunk_size_ = parser->content_length;
        return HPE_OK;
    }
    static int on_message_complete(llhttp_t* parser) noexcept {
        session(parser).message_complete_ = true;
        return HPE_OK;
    }

    static const llhttp_settings_t* settings() noexcept {
        static constexpr llhttp_settings_t all = [] {
            llhttp_settings_t s{};
            s.on_header_field = on_field_name;
            s.on_header_value = on_field_value;
            s.on_header_value_complete = on_field_complete;
            s.on_headers_complete = on_head_complete;
            s.on_body = on_body;
            s.on_chunk_header = on_chunk_header;
            s.on_message_complete = on_message_complete;
            return s;
        }();
        return &all;
    }
};

llhttp_session::llhttp_session(side which) noexcept {
    static_assert(sizeof(llhttp_t) <= sizeof state_ && alignof(llhttp_t) <= 8);
    auto* parser = ::new (state_) llhttp_t;
    llhttp_init(parser, which == side::request ? HTTP_REQUEST : HTTP_RESPONSE, llhttp_callbacks::settings());
    parser->data = this;
}

void llhttp_session::restart() noexcept {
    llhttp_reset(llhttp_callbacks::parser(*this));
    fields_ = nullptr;
    text_ = nullptr;
    length_ = 0;
    head_complete_ = message_complete_ = chunked_ = has_length_ = has_chunk_size_ = false;
}

checked llhttp_session::feed_fields(std::string_view prefix, header_list& fields, header_list::slice text) {
    CO_WQ_ASSERT(text.size > 0, "a head or trailer section ends with a line end");
    if (!prefix.empty())
        if (auto ok = execute(prefix.data(), prefix.size()); !ok) return ok;
    const std::string_view piece = fields.text(text);
    fields_ = &fields;
    text_ = piece.data();
    text_at_ = text.at;
    auto ok = execute(piece.data(), piece.size());
    fields_ = nullptr;
    text_ = nullptr;
    return ok;
}

checked llhttp_session::feed_line(std::string_view piece) {
    CO_WQ_DEBUG_ASSERT(fields_ == nullptr, "fields are not read piecewise");
    return execute(piece.data(), piece.size());
}

checked llhttp_session::feed_body(const_bytes piece) {
    body_bytes_ = 0;
    const std::string_view text = as_text(piece);
    if (auto ok = execute(text.data(), text.size()); !ok) return ok;
    if (body_bytes_ != piece.size()) return refuse("body does not end where its chunks say");
    return {};
}

bool llhttp_session::take_chunk_size(std::uint64_t& size) noexcept {
    if (!has_chunk_size_) return false;
    has_chunk_size_ = false;
    size = chunk_size_;
    return true;
}

checked llhttp_session::execute(const char* data, std::size_t size) {
    llhttp_t* parser = llhttp_callbacks::parser(*this);
    const llhttp_errno_t outcome = llhttp_execute(parser, data, size);
    if (outcome == HPE_OK) return {};
    if (outcome == HPE_PAUSED_UPGRADE) {
        // the rest is another protocol's: right if and only if there is no rest
        if (llhttp_get_error_pos(parser) == data + size) return {};
        return refuse("message ends before its last line");
    }
    const char* reason = llhttp_get_error_reason(parser);
    return refuse(reason && *reason ? std::string_view(reason) : "message does not follow the grammar of HTTP/1.1");
}

}  // namespace co_wq::http::h1::detail
