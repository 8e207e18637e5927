// How much of a message we are willing to look at before we refuse it. Everything a peer can make longer has a line.
//
// For:    the parsers; set once per listener or upstream.
// Source: RFC 9112 section 3 (request line of 8,000 bytes and more), section 7.1.1 (limit chunk extensions);
//         what browsers send was measured elsewhere at under 8 KiB of head.
#pragma once

#include <cstddef>
#include <cstdint>

namespace co_wq::http {

struct parse_limits {
    // Start line and header section together. Browsers stay under 8 KiB; servers commonly stop at 8 to 64 KiB.
    std::size_t head_bytes_max = 32 * 1024;
    // Request line or status line with its line end. More is answered 414.
    std::size_t start_line_bytes_max = 16 * 1024;
    // Header fields and trailer fields together. More is answered 431.
    std::size_t fields_max = 100;
    // The trailer section, beside the head's own limit.
    std::size_t trailer_bytes_max = 8 * 1024;
    // Extensions on one chunk-size line. Hardly anybody sends any, and we forward none.
    std::size_t chunk_extension_bytes_max = 256;
    // Extensions on all chunks of a message: else a peer makes us read for ever without a byte of body.
    std::size_t chunk_extensions_bytes_max = 16 * 1024;
    // Options in all Connection fields: filtering costs options times fields.
    std::size_t connection_options_max = 32;
    // Interim (1xx) responses before the final one.
    std::size_t interim_responses_max = 32;
};

}  // namespace co_wq::http
