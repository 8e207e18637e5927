// Handles of named pipes: how they are made, and who may use them. Only for files of Windows.
//
// Threads: any. None of it waits, since the pipes are on this machine.
// Sources: Microsoft's "CreateNamedPipe", "Named Pipe Security and Access Rights", "Impersonation Levels".
#pragma once

#include <windows.h>

#include <string>
#include <string_view>

#include "base/os/windows_rights.hpp"
#include "base/result.hpp"
#include "io/descriptor.hpp"

namespace co_wq::io::pipes {

// From `\\.\pipe\name`. invalid_argument: it is no such name, or one that Win32 would read in another way.
result<std::wstring> wide_name(std::string_view name);

// text: in SDDL; empty: this user, administrators and the system.
result<os::descriptor_of_rights> rights_from(const std::string& text);

// One more instance that somebody may connect to. first: nobody else has the name.
result<native_handle> make_instance(const std::wstring& name, void* rights, bool first) noexcept;
// busy: all instances are taken.
result<native_handle> open_client(const std::wstring& name) noexcept;
void close(native_handle pipe) noexcept;

struct nature {
    bool messages = false;  // their bounds are kept, so that an empty one can be told
    bool server = false;
};
nature nature_of(native_handle pipe) noexcept;
// Who has the other end.
result<std::uint32_t> peer_process(native_handle pipe, bool server) noexcept;

}  // namespace co_wq::io::pipes
