#include "proxy/seeing/access_record.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace co_wq::proxy {
namespace {

using namespace std::chrono_literals;

access_record whole_record() {
    return {.when = std::chrono::sys_days(std::chrono::year(2026) / 2 / 28) + 23h + 5min + 9s + 7ms,
            .loop = 1,
            .connection = 23,
            .request = 4,
            .client = "127.0.0.1:5000",
            .user = "ann",
            .protocol = "http/1.1",
            .method = "GET",
            .target = "http://h/p",
            .decision = decided::deny,
            .rule = "no-h",
            .status = 403,
            .upstream = "[::1]:80",
            .pooled = true,
            .dns = 1500us,
            .connect = 12345678ns,
            .first_byte = 0ns,
            .total = 2s,
            .bytes_up = 18446744073709551615u,
            .bytes_down = 7,
            .up = ended::eof,
            .down = ended::limit,
            .detail = "why \"so\"",
            .via = "corp/a"};
}

TEST(access_record, a_text_line_has_every_column_in_its_place) {
    std::string out;
    append_text(out, whole_record());
    EXPECT_EQ(out,
              "2026-02-28T23:05:09.007Z 1-23-4 127.0.0.1:5000 ann http/1.1 GET http://h/p deny no-h 403 [::1]:80 "
              "pooled 1.500 12.345 0.000 2000.000 18446744073709551615 7 eof limit \"why \\\"so\\\"\" corp/a\n");
    out.clear();
    append_text(out, {});
    EXPECT_EQ(out, "1970-01-01T00:00:00.000Z 0-0-0 - - - - - allow - 0 - - - - - - 0 0 - - \"\" -\n");
}

TEST(access_record, a_json_line_has_every_key_also_without_a_value) {
    std::string out;
    append_json(out, whole_record());
    EXPECT_EQ(out, R"({"time":"2026-02-28T23:05:09.007Z","id":"1-23-4","client":"127.0.0.1:5000","user":"ann",)"
                   R"("protocol":"http/1.1","method":"GET","target":"http://h/p","decision":"deny","rule":"no-h",)"
                   R"("status":403,"upstream":"[::1]:80","pooled":true,"dns_ms":1.500,"connect_ms":12.345,)"
                   R"("first_byte_ms":0.000,"total_ms":2000.000,"bytes_up":18446744073709551615,"bytes_down":7,)"
                   R"("end_up":"eof","end_down":"limit","detail":"why \"so\"","via":"corp/a"})"
                   "\n");
    out.clear();
    append_json(out, {});
    EXPECT_EQ(out, R"({"time":"1970-01-01T00:00:00.000Z","id":"0-0-0","client":null,"user":null,"protocol":null,)"
                   R"("method":null,"target":null,"decision":"allow","rule":null,"status":0,"upstream":null,)"
                   R"("pooled":false,"dns_ms":null,"connect_ms":null,"first_byte_ms":null,"total_ms":null,)"
                   R"("bytes_up":0,"bytes_down":0,"end_up":null,"end_down":null,"detail":null,"via":null})"
                   "\n");
}

TEST(access_record, hostile_fields_stay_within_their_line_and_column) {
    std::string every;
    for (int byte = 0; byte < 256; ++byte) every += static_cast<char>(byte);
    const access_record hostile{.client = every,
                                .user = every,
                                .method = every,
                                .target = every,
                                .rule = every,
                                .upstream = every,
                                .detail = every,
                                .via = every};
    std::string text, json;
    append_text(text, hostile);
    append_json(json, hostile);
    for (const std::string& line : {text, json}) EXPECT_EQ(line.find('\n'), line.size() - 1);
    EXPECT_EQ(std::count(text.begin(), text.end(), ' '), 21 + 1) << "between 22 columns, and the one in quotes";
    EXPECT_TRUE(std::all_of(text.begin(), text.end() - 1, [](char c) { return c >= 0x20 && c < 0x7f; }));
    EXPECT_TRUE(std::none_of(json.begin(), json.end() - 1, [](char c) { return c >= 0 && c < 0x20; }));
}

TEST(access_record, a_direction_that_was_stopped_ended_as_the_other_one_did) {
    using net::end_reason;
    EXPECT_EQ(end_of(end_reason::stopped, end_reason::reset), ended::reset);
    EXPECT_EQ(end_of(end_reason::stopped, end_reason::failed), ended::failed);
    EXPECT_EQ(end_of(end_reason::stopped, end_reason::stopped), ended::shutdown);
    EXPECT_EQ(end_of(end_reason::stopped, end_reason::eof), ended::shutdown);
    EXPECT_EQ(end_of(end_reason::eof, end_reason::reset), ended::eof);
    EXPECT_EQ(end_of(end_reason::idle, end_reason::idle), ended::idle);
    EXPECT_EQ(end_of(error(errc::connection_reset)), ended::reset);
    EXPECT_EQ(end_of(error(errc::timed_out)), ended::idle);
    EXPECT_EQ(end_of(error(errc::stopped)), ended::shutdown);
    EXPECT_EQ(end_of(error(errc::unexpected_eof)), ended::failed);
}

}  // namespace
}  // namespace co_wq::proxy
