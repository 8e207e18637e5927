# CLI11, which is headers.
if(NOT TARGET CLI11::CLI11)
  include("${CMAKE_CURRENT_LIST_DIR}/debian_headers.cmake")
  co_wq_debian_headers(CLI11::CLI11 CLI libcli11-dev)
endif()
