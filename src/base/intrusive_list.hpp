// A doubly linked list whose links are base classes of its members: no allocation, unlink in O(1).
//
// Requires:   a member is in at most one list per hook type; lists and members belong to one thread.
// Guarantees: destroying a linked member unlinks it; destroying a list unlinks what is left, without destroying it.
// Lifetime:   members and lists may die in any order.
#pragma once

#include <cstddef>

#include "base/assert.hpp"

namespace co_wq {

// Tag tells several hooks of one member apart; the member's own type where there is one.
template <class Tag>
class list_hook {
public:
    list_hook() noexcept = default;
    list_hook(const list_hook&) = delete;
    list_hook& operator=(const list_hook&) = delete;
    ~list_hook() { unlink(); }

    bool linked() const noexcept { return next_ != nullptr; }

    void unlink() noexcept {
        if (!next_) return;
        prev_->next_ = next_;
        next_->prev_ = prev_;
        prev_ = next_ = nullptr;
    }

private:
    template <class, class>
    friend class intrusive_list;
    list_hook* prev_ = nullptr;
    list_hook* next_ = nullptr;
};

template <class T, class Tag = T>
class intrusive_list {
    using hook = list_hook<Tag>;

public:
    intrusive_list() noexcept { head_.prev_ = head_.next_ = &head_; }
    intrusive_list(const intrusive_list&) = delete;
    intrusive_list& operator=(const intrusive_list&) = delete;
    ~intrusive_list() { clear(); }

    bool empty() const noexcept { return head_.next_ == &head_; }

    void push_back(T& item) noexcept { insert_before(head_, item); }
    void push_front(T& item) noexcept { insert_before(*head_.next_, item); }

    T& front() noexcept { return *static_cast<T*>(head_.next_); }

    T* pop_front() noexcept {
        if (empty()) return nullptr;
        T* item = static_cast<T*>(head_.next_);
        static_cast<hook*>(item)->unlink();
        return item;
    }

    // Moves all members of other behind ours.
    void splice_back(intrusive_list& other) noexcept {
        if (other.empty()) return;
        hook* first = other.head_.next_;
        hook* last = other.head_.prev_;
        other.head_.prev_ = other.head_.next_ = &other.head_;
        hook* tail = head_.prev_;
        tail->next_ = first;
        first->prev_ = tail;
        last->next_ = &head_;
        head_.prev_ = last;
    }

    void clear() noexcept {
        while (pop_front()) {
        }
    }

    // The successor in the list, or null at its end; the list must not change under an iteration.
    T* first() const noexcept { return empty() ? nullptr : static_cast<T*>(head_.next_); }
    T* after(T& item) const noexcept {
        hook* next = static_cast<hook&>(item).next_;
        return next == &head_ ? nullptr : static_cast<T*>(next);
    }

private:
    void insert_before(hook& place, T& item) noexcept {
        hook& fresh = item;
        CO_WQ_ASSERT(fresh.next_ == nullptr, "a member may be linked only once");
        fresh.prev_ = place.prev_;
        fresh.next_ = &place;
        place.prev_->next_ = &fresh;
        place.prev_ = &fresh;
    }

    mutable hook head_;
};

}  // namespace co_wq
