// Certificates, keys, trust and contexts, without a connection.
#include <gtest/gtest.h>

#include <fstream>

#include "net/tls/client_context.hpp"
#include "net/tls/detail/session_cache.hpp"
#include "net/tls/detail/ticket_keys.hpp"
#include "net/tls/errors.hpp"
#include "net/tls/server_context.hpp"
#include "support/certificates.hpp"
#include "support/file_mode.hpp"
#include "support/on_wine.hpp"
#include "support/temp_folder.hpp"

namespace co_wq::net::tls {
namespace {

using test::authority;
using test::made;

class folder {
public:
    std::string write(const std::string& name, const std::string& text, unsigned mode = 0600) const {
        const std::string path = at(name);
        std::ofstream(path, std::ios::binary) << text;
        EXPECT_TRUE(test::set_mode(path, mode)) << path;
        return path;
    }
    std::string at(const std::string& name) const { return here_ / name; }

private:
    test::temp_folder here_;
};

identity identity_of(const made& one) {
    result<identity> read = identity::from_pem(one.certificate, one.key);
    EXPECT_TRUE(read.has_value()) << explain(read.error());
    return *read;
}

TEST(tls_certificate, is_read_as_values) {
    const authority root;
    const made one = root.issue({.common_name = "a\nb, \xc3\xa9",
                                 .dns_names = {"Example.NET", "*.example.net"},
                                 .addresses = {"127.0.0.1", "::1", "2001:db8::1"}});
    const result<certificate> read = certificate::from_pem(one.certificate);
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->subject(), "CN=a\\0Ab\\, \xc3\xa9");
    EXPECT_EQ(read->issuer(), "CN=test authority");
    EXPECT_EQ(read->dns_names(), (std::vector<std::string>{"example.net", "*.example.net"}));
    EXPECT_EQ(read->addresses(), (std::vector<std::string>{"127.0.0.1", "::1", "2001:db8::1"}));
    const auto now = std::chrono::system_clock::now();
    EXPECT_LT(read->not_before(), now);
    EXPECT_GT(read->not_after(), now);
    EXPECT_FALSE(read->serial().empty());
    const result<certificate> again = certificate::from_der(read->der());
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(again->fingerprint(), read->fingerprint());
    for (const char* wrong : {"", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"})
        EXPECT_EQ(certificate::from_pem(wrong).error(), errc::certificate_invalid) << wrong;
    EXPECT_EQ(certificate::from_der(read->der().first(50)).error(), errc::certificate_invalid);
}

TEST(tls_identity, names_what_is_wrong) {
    const authority root;
    const made one = root.issue({});
    const made locked = root.issue({.passphrase = "open sesame"});
    EXPECT_TRUE(identity::from_pem(one.certificate + root.certificate(), one.key).has_value());
    EXPECT_TRUE(identity::from_pem(one.certificate + one.key, one.certificate + one.key).has_value());
    EXPECT_TRUE(identity::from_pem(locked.certificate, locked.key, "open sesame").has_value());
    EXPECT_EQ(identity::from_pem(locked.certificate, locked.key).error(), errc::key_locked);
    EXPECT_EQ(identity::from_pem(locked.certificate, locked.key, "wrong").error(), errc::key_locked);
    EXPECT_EQ(identity::from_pem(locked.certificate, locked.key, std::string(4096, 'x')).error(), errc::key_locked);
    EXPECT_EQ(identity::from_pem(one.certificate, test::lone_key()).error(), errc::key_mismatch);
    EXPECT_EQ(identity::from_pem(one.certificate, "no key").error(), errc::bad_message);
    EXPECT_EQ(identity::from_pem("no certificate", one.key).error(), errc::certificate_invalid);
    const std::string broken = one.certificate + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    EXPECT_EQ(identity::from_pem(broken, one.key).error(), errc::certificate_invalid);
}

TEST(tls_identity, is_read_from_files) {
    const folder here;
    const authority root;
    const made one = root.issue({});
    const std::string chain = here.write("chain.pem", one.certificate, 0644);
    const std::string key = here.write("key.pem", one.key, 0600);
    EXPECT_TRUE(identity::from_files(chain, key, {.allow_exposed = true}).has_value());
    EXPECT_EQ(identity::from_files(here.at("none"), key).error(), errc::not_found);
    EXPECT_EQ(identity::from_files(chain, here.at("none")).error(), errc::not_found);
    EXPECT_EQ(identity::from_files(here.at(""), key).error(), errc::invalid_argument);
    const std::string huge = here.write("huge.pem", std::string(9 * 1024 * 1024, 'x'));
    EXPECT_EQ(identity::from_files(huge, key).error(), errc::limit_exceeded);
}

TEST(tls_identity, has_a_key_that_others_cannot_read) {
    const folder here;
    const authority root;
    const made one = root.issue({});
    const std::string chain = here.write("chain.pem", one.certificate, 0644);
    const std::string exposed = here.write("exposed.pem", one.key, 0644);
    EXPECT_EQ(identity::from_files(chain, exposed).error(), errc::key_exposed);
    EXPECT_TRUE(identity::from_files(chain, exposed, {.allow_exposed = true}).has_value());
    if (test::on_wine()) GTEST_SKIP() << "Wine says of every file that everyone may read it";
    EXPECT_TRUE(identity::from_files(chain, here.write("key.pem", one.key, 0600)).has_value());
    EXPECT_TRUE(identity::from_files(chain, here.write("group.pem", one.key, 0640)).has_value());
}

TEST(tls_trust, is_made_of_texts_and_files) {
    const folder here;
    const authority one, other("another");
    const result<trust> both = trust::from_pem(one.certificate() + "text in between\n" + other.certificate());
    ASSERT_TRUE(both.has_value());
    EXPECT_EQ(both->size(), 2u);
    EXPECT_EQ(trust::from_pem("nothing").error(), errc::not_found);
    EXPECT_EQ(
        trust::from_pem(one.certificate() + "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n").error(),
        errc::certificate_invalid);
    EXPECT_EQ(trust::from_file(here.at("none")).error(), errc::not_found);
    EXPECT_EQ(trust::from_file(here.write("ca.pem", one.certificate()))->size(), 1u);
    trust more;
    EXPECT_EQ(more.add_revoked_pem("nothing").error(), errc::not_found);
    EXPECT_TRUE(more.add_revoked_pem(one.revoke({})).has_value());
    const result<trust> systems = trust::system();
    if (systems) {
        EXPECT_GT(systems->size(), 10u);
    }
}

TEST(tls_client_context, refuses_what_it_cannot_use) {
    const authority root;
    const trust ours = *trust::from_pem(root.certificate());
    EXPECT_TRUE(client_context::make({.trusted = ours, .alpn = {"h2"}}).has_value());
    EXPECT_EQ(client_context::make({.trusted = ours, .alpn = {""}}).error(), errc::invalid_argument);
    EXPECT_EQ(client_context::make({.trusted = ours, .alpn = {std::string(256, 'x')}}).error(), errc::invalid_argument);
    EXPECT_EQ(client_context::make({.trusted = ours, .ciphers = "NO-SUCH-CIPHER"}).error(), errc::invalid_argument);
    const client_context context = *client_context::make({.trusted = ours});
    for (const char* wrong : {"", "a b", "a\nb", "ex\xc3\xa4mple.net", "a/b", ".example.net", "a..b", "a..", "."})
        EXPECT_EQ(context.open(wrong, "").error(), errc::invalid_argument) << wrong;
}

TEST(tls_server_context, refuses_what_it_cannot_use) {
    const authority root;
    const identity mine = identity_of(root.issue({}));
    EXPECT_EQ(server_context::make({}).error(), errc::invalid_argument);
    EXPECT_EQ(server_context::make({.identities = {mine}, .alpn = {""}}).error(), errc::invalid_argument);
    EXPECT_EQ(server_context::make({.identities = {mine}, .ciphers = "NONE-SUCH"}).error(), errc::invalid_argument);
    EXPECT_EQ(server_context::make({.identities = {mine}, .ask = client_certificates::required}).error(),
              errc::not_found);
    const identity weak = identity_of(root.issue({.key = test::key_kind::rsa, .rsa_bits = 1024}));
    EXPECT_EQ(server_context::make({.identities = {mine, weak}}).error(), errc::certificate_weak);
    result<server_context> good = server_context::make({.identities = {mine}});
    ASSERT_TRUE(good.has_value());
    EXPECT_EQ(good->reload({}).error(), errc::invalid_argument);
    EXPECT_TRUE(good->reload({.identities = {mine}}).has_value());
}

TEST(tls_ticket_keys, open_for_one_lifetime_more_than_they_seal) {
    using namespace std::chrono_literals;
    detail::ticket_keys keys(10s);
    const time_point start = time_point(1000s);
    const auto first = keys.current(start);
    ASSERT_TRUE(first.has_value());
    EXPECT_EQ(keys.current(start + 9s)->name, first->name);
    EXPECT_FALSE(keys.find(first->name.data(), start + 9s)->renew);
    const auto second = keys.current(start + 10s);
    EXPECT_NE(second->name, first->name);
    EXPECT_TRUE(keys.find(first->name.data(), start + 19s)->renew);
    EXPECT_FALSE(keys.find(first->name.data(), start + 20s).has_value());
    EXPECT_FALSE(keys.find(second->name.data(), start + 100s).has_value());
    const auto third = keys.current(start + 100s);
    keys.forget();
    EXPECT_FALSE(keys.find(third->name.data(), start + 100s).has_value());
}

TEST(tls_errors, have_words) {
    EXPECT_EQ(explain(error(errc::certificate_expired, 10)), "certificate expired (certificate has expired)");
    EXPECT_EQ(explain(error(errc::connection_reset, 104)), "connection reset");
    EXPECT_EQ(explain(error(errc::truncated)), "connection was cut");
    EXPECT_FALSE(alert_of(error(errc::bad_message)).has_value());
}

}  // namespace
}  // namespace co_wq::net::tls
