// The frame of the server programs: command line, one loop and one socket per thread, READY, end on SIGTERM.
//
// --threads N: N loops on N threads, each with a socket of its own on the same port (SO_REUSEPORT).
#pragma once

#include "io/socket.hpp"

namespace co_wq::bench {

// Serves one accepted connection to its end.
using connection_handler = task<void> (*)(io::socket peer);

// Returns the exit code of the program.
int run_server(int argc, char** argv, connection_handler serve);
// The same for one bound datagram socket per loop.
int run_datagram_server(int argc, char** argv, connection_handler serve);

}  // namespace co_wq::bench
