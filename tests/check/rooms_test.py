import unittest

from sample import CheckTest

ROOMS = "# comment\nbase src/base\nnet src/net\ndns src/net/dns\nproxy apps/proxy\n"


class Rooms(CheckTest):
    check = "rooms"

    def test_a_room_may_include_itself_and_rooms_above(self):
        self.accepts({
            "cmake/rooms.txt": ROOMS,
            "src/base/error.hpp": "#include <string>\n",
            "src/net/dns/resolver.cpp": '#include "net/dns/resolver.hpp"\n#include "net/tcp.hpp"\n',
            "apps/proxy/main.cpp": '#include "proxy/tunnel.hpp"\n#include "base/error.hpp"\n',
        })

    def test_an_upward_include_is_refused(self):
        self.refuses({"cmake/rooms.txt": ROOMS, "src/base/error.cpp": '\n#include "net/tcp.hpp"\n'},
                     "src/base/error.cpp:2: room 'base' must not include from 'net'")

    def test_a_room_must_not_include_its_side_room(self):
        self.refuses({"cmake/rooms.txt": ROOMS, "src/net/tcp.cpp": '#include "net/dns/resolver.hpp"\n'},
                     "src/net/tcp.cpp:1: room 'net' must not include from 'dns'")

    def test_the_library_must_not_include_the_application(self):
        self.refuses({"cmake/rooms.txt": ROOMS, "src/net/tcp.cpp": '#  include "proxy/tunnel.hpp"\n'},
                     "src/net/tcp.cpp:1: room 'net' must not include from 'proxy'")

    def test_an_include_must_name_its_room(self):
        self.refuses({"cmake/rooms.txt": ROOMS, "src/net/a.cpp": '#include "tcp.hpp"\n#include "../base/error.hpp"\n'},
                     'src/net/a.cpp:1: "tcp.hpp" names no room', 'src/net/a.cpp:2: "../base/error.hpp" names no room')

    def test_a_source_outside_of_every_room_is_refused(self):
        self.refuses({"cmake/rooms.txt": ROOMS, "src/other/a.cpp": "\n"}, "src/other/a.cpp:1: belongs to no room")


if __name__ == "__main__":
    unittest.main()
