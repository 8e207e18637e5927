#include "proxy/seeing/access_record.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "proxy/seeing/escape.hpp"

namespace co_wq::proxy {
namespace {

void append_number(std::string& out, std::uint64_t number) {
    const fmt::format_int text(number);
    out.append(text.data(), text.size());
}

// The number's last digits.
void put(char* to, int width, unsigned number) {
    for (; width > 0; number /= 10) to[--width] = static_cast<char>('0' + number % 10);
}

void append_id(std::string& out, const access_record& one) {
    append_number(out, one.loop);
    out += '-';
    append_number(out, one.connection);
    out += '-';
    append_number(out, one.request);
}

void append_duration_column(std::string& out, duration span) {
    if (span == not_measured)
        out += '-';
    else
        append_milliseconds(out, span);
    out += ' ';
}

// A key whose value is left out when there is none.
void append_json_text(std::string& out, std::string_view key, std::string_view value) {
    out += key;
    if (value.empty())
        out += "null";
    else
        append_json_string(out, value);
}

void append_json_duration(std::string& out, std::string_view key, duration span) {
    out += key;
    if (span == not_measured)
        out += "null";
    else
        append_milliseconds(out, span);
}

}  // namespace

std::string_view name_of(ended how) noexcept {
    constexpr std::string_view names[] = {"", "eof", "reset", "idle", "limit", "shutdown", "failed"};
    return names[static_cast<unsigned>(how)];
}

std::string_view name_of(decided what) noexcept {
    constexpr std::string_view names[] = {"allow", "report", "deny", "refuse"};
    return names[static_cast<unsigned>(what)];
}

ended end_of(error what) noexcept {
    switch (what.code()) {
        case errc::connection_reset:
        case errc::broken_pipe: return ended::reset;
        case errc::timed_out: return ended::idle;
        case errc::stopped:
        case errc::closed: return ended::shutdown;
        default: return ended::failed;
    }
}

ended end_of(net::end_reason how, net::end_reason other) noexcept {
    using net::end_reason;
    if (how == end_reason::stopped && (other == end_reason::reset || other == end_reason::failed)) how = other;
    switch (how) {
        case end_reason::eof: return ended::eof;
        case end_reason::reset: return ended::reset;
        case end_reason::idle: return ended::idle;
        case end_reason::stopped: return ended::shutdown;
        case end_reason::failed: break;
    }
    return ended::failed;
}

void append_time(std::string& out, std::chrono::system_clock::time_point when) {
    using namespace std::chrono;
    const auto whole = floor<milliseconds>(when);
    const auto day = floor<days>(whole);
    const year_month_day date(day);
    const hh_mm_ss time(whole - day);
    char text[] = "0000-00-00T00:00:00.000Z";
    put(text, 4, static_cast<unsigned>(static_cast<int>(date.year())));
    put(text + 5, 2, static_cast<unsigned>(date.month()));
    put(text + 8, 2, static_cast<unsigned>(date.day()));
    put(text + 11, 2, static_cast<unsigned>(time.hours().count()));
    put(text + 14, 2, static_cast<unsigned>(time.minutes().count()));
    put(text + 17, 2, static_cast<unsigned>(time.seconds().count()));
    put(text + 20, 3, static_cast<unsigned>(time.subseconds().count()));
    out.append(text, sizeof text - 1);
}

void append_milliseconds(std::string& out, duration span) {
    const auto us = static_cast<std::uint64_t>(std::max<std::int64_t>(span.count(), 0) / 1000);
    append_number(out, us / 1000);
    const auto rest = static_cast<unsigned>(us % 1000);
    const char text[] = {'.', static_cast<char>('0' + rest / 100), static_cast<char>('0' + rest / 10 % 10),
                         static_cast<char>('0' + rest % 10)};
    out.append(text, sizeof text);
}

void append_text(std::string& out, const access_record& one) {
    append_time(out, one.when);
    out += ' ';
    append_id(out, one);
    for (const std::string_view text :
         {one.client, one.user, one.protocol, one.method, one.target, name_of(one.decision), one.rule}) {
        out += ' ';
        append_column(out, text);
    }
    out += ' ';
    append_number(out, one.status);
    out += ' ';
    append_column(out, one.upstream);
    out += one.upstream.empty() ? " - " : one.pooled ? " pooled " : " new ";
    for (const duration span : {one.dns, one.connect, one.first_byte, one.total}) append_duration_column(out, span);
    append_number(out, one.bytes_up);
    out += ' ';
    append_number(out, one.bytes_down);
    for (const ended how : {one.up, one.down}) {
        out += ' ';
        append_column(out, name_of(how));
    }
    out += ' ';
    append_quoted_column(out, one.detail);
    out += ' ';
    append_column(out, one.via);
    out += '\n';
}

void append_json(std::string& out, const access_record& one) {
    out += "{\"time\":\"";
    append_time(out, one.when);
    out += "\",\"id\":\"";
    append_id(out, one);
    out += '"';
    append_json_text(out, ",\"client\":", one.client);
    append_json_text(out, ",\"user\":", one.user);
    append_json_text(out, ",\"protocol\":", one.protocol);
    append_json_text(out, ",\"method\":", one.method);
    append_json_text(out, ",\"target\":", one.target);
    append_json_text(out, ",\"decision\":", name_of(one.decision));
    append_json_text(out, ",\"rule\":", one.rule);
    out += ",\"status\":";
    append_number(out, one.status);
    append_json_text(out, ",\"upstream\":", one.upstream);
    out += one.pooled ? ",\"pooled\":true" : ",\"pooled\":false";
    append_json_duration(out, ",\"dns_ms\":", one.dns);
    append_json_duration(out, ",\"connect_ms\":", one.connect);
    append_json_duration(out, ",\"first_byte_ms\":", one.first_byte);
    append_json_duration(out, ",\"total_ms\":", one.total);
    out += ",\"bytes_up\":";
    append_number(out, one.bytes_up);
    out += ",\"bytes_down\":";
    append_number(out, one.bytes_down);
    append_json_text(out, ",\"end_up\":", name_of(one.up));
    append_json_text(out, ",\"end_down\":", name_of(one.down));
    append_json_text(out, ",\"detail\":", one.detail);
    append_json_text(out, ",\"via\":", one.via);
    out += "}\n";
}

}  // namespace co_wq::proxy
