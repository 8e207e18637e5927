# fmt from its headers alone: Debian's library is one of Linux.
if(NOT TARGET fmt::fmt)
  include("${CMAKE_CURRENT_LIST_DIR}/debian_headers.cmake")
  co_wq_debian_headers(fmt::fmt fmt libfmt-dev)
  target_compile_definitions(fmt::fmt INTERFACE FMT_HEADER_ONLY)
endif()
