// Handles of Windows: as descriptors keep them, and owned. Only for files of Windows.
#pragma once

#include <windows.h>

#include <cstdint>
#include <utility>

#include "io/descriptor.hpp"

namespace co_wq::io::nt {

// "64-bit versions of Windows use 32-bit handles for interoperability": they fit an int, and come back by its sign.
inline HANDLE handle_of(native_handle kept) noexcept {
    return reinterpret_cast<HANDLE>(static_cast<std::intptr_t>(kept));
}
inline native_handle kept(HANDLE handle) noexcept {
    return static_cast<native_handle>(reinterpret_cast<std::intptr_t>(handle));
}

class owned_handle {
public:
    owned_handle() noexcept = default;
    explicit owned_handle(HANDLE handle) noexcept : handle_(handle) {}
    owned_handle(owned_handle&& other) noexcept : handle_(other.let_go()) {}
    owned_handle& operator=(owned_handle&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~owned_handle() {
        if (handle_) ::CloseHandle(handle_);
    }
    explicit operator bool() const noexcept { return handle_ != nullptr; }
    HANDLE get() const noexcept { return handle_; }
    HANDLE let_go() noexcept { return std::exchange(handle_, nullptr); }

private:
    HANDLE handle_ = nullptr;
};

}  // namespace co_wq::io::nt
