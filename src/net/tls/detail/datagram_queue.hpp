// datagram_queue: datagrams with their addresses, first in, first out; no memory while it is empty.
//
// Threads: one. Lifetime: its own.
#pragma once

#include <algorithm>
#include <cstring>
#include <new>

#include "base/bytes.hpp"
#include "base/pool.hpp"
#include "io/socket_address.hpp"

namespace co_wq::net::tls::detail {

class datagram_queue {
public:
    datagram_queue() noexcept = default;
    datagram_queue(const datagram_queue&) = delete;
    datagram_queue& operator=(const datagram_queue&) = delete;
    ~datagram_queue() { clear(); }

    bool empty() const noexcept { return !first_; }
    std::size_t count() const noexcept { return count_; }
    std::size_t size() const noexcept { return bytes_; }

    // False: no memory.
    bool push(const_bytes data, const io::socket_address& to = {}) noexcept {
        try {
            void* const memory = pool_allocate(sizeof(node) + data.size());
            node* const made = ::new (memory) node{nullptr, data.size(), to};
            if (!data.empty()) std::memcpy(made + 1, data.data(), data.size());
            *last_ = made;
            last_ = &made->next;
            ++count_;
            bytes_ += data.size();
            return true;
        } catch (const std::bad_alloc&) {
            return false;
        }
    }
    // The oldest. The queue must not be empty.
    const_bytes front() const noexcept { return {reinterpret_cast<const std::byte*>(first_ + 1), first_->size}; }
    const io::socket_address& front_address() const noexcept { return first_->to; }
    void pop() noexcept {
        node* const old = first_;
        first_ = old->next;
        if (!first_) last_ = &first_;
        --count_;
        bytes_ -= old->size;
        pool_free(old, sizeof(node) + old->size);
    }
    void clear() noexcept {
        while (!empty()) pop();
    }

private:
    struct node {
        node* next;
        std::size_t size;
        io::socket_address to;
    };
    node* first_ = nullptr;
    node** last_ = &first_;
    std::size_t count_ = 0, bytes_ = 0;
};

}  // namespace co_wq::net::tls::detail
