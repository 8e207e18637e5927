# toml++ from its headers alone: Debian's library is one of Linux.
if(NOT TARGET tomlplusplus::tomlplusplus)
  include("${CMAKE_CURRENT_LIST_DIR}/debian_headers.cmake")
  co_wq_debian_headers(tomlplusplus::tomlplusplus toml++ libtomlplusplus-dev)
endif()
