// The system's headers for sockets, on every system.
#pragma once

#ifdef _WIN32
// clang-format off: in this order
#include <winsock2.h>
#include <ws2tcpip.h>
#include <afunix.h>
#include <mstcpip.h>
// clang-format on
// words of 16-bit compilers
#undef near
#undef far
#else
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#endif
