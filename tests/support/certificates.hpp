// Certificates made while the tests run: good ones, and every kind of bad one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"

struct evp_pkey_st;
struct x509_st;

namespace co_wq::test {

enum class usage : unsigned char { server, client, any, authority };
enum class key_kind : unsigned char { ec, rsa };

struct wish {
    std::string common_name = "test";
    std::vector<std::string> dns_names{};
    std::vector<std::string> addresses{};
    long valid_from_s = -3600;  // from now
    long valid_until_s = 24 * 3600;
    usage for_what = usage::server;
    key_kind key = key_kind::ec;
    int rsa_bits = 2048;
    std::string passphrase{};  // of the key; empty: not encrypted
};

// In PEM.
struct made {
    std::string certificate, key;
};

made self_signed(const wish& wanted);

class authority {
public:
    explicit authority(std::string name = "test authority", int path_seconds = 24 * 3600);
    // Of another authority.
    authority(const authority& issuer, std::string name);

    const std::string& certificate() const { return certificate_; }
    made issue(const wish& wanted) const;
    // A list with the serial numbers of these certificates.
    std::string revoke(const std::vector<std::string>& certificates) const;

private:
    std::shared_ptr<evp_pkey_st> key_;
    std::shared_ptr<x509_st> native_;
    std::string certificate_;
};

// A private key of its own, in PEM.
std::string lone_key();

}  // namespace co_wq::test
