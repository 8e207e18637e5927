# spdlog from its headers alone, with the fmt beside it.
if(NOT TARGET spdlog::spdlog)
  include("${CMAKE_CURRENT_LIST_DIR}/debian_headers.cmake")
  co_wq_debian_headers(spdlog::spdlog spdlog libspdlog-dev)
  target_compile_definitions(spdlog::spdlog INTERFACE SPDLOG_FMT_EXTERNAL)
  target_link_libraries(spdlog::spdlog INTERFACE fmt::fmt)
endif()
