# GoogleTest from its sources, which Debian's package googletest has.
if(NOT TARGET GTest::gtest_main)
  set(sources /usr/src/googletest/googletest)
  if(NOT EXISTS "${sources}/CMakeLists.txt")
    message(FATAL_ERROR "no sources of GoogleTest in ${sources}: install googletest")
  endif()
  set(INSTALL_GTEST OFF)
  set(CMAKE_CXX_EXTENSIONS ON)  # it uses names that the C library hides from strict C++
  add_subdirectory("${sources}" "${PROJECT_BINARY_DIR}/googletest" EXCLUDE_FROM_ALL)
  set(CMAKE_CXX_EXTENSIONS OFF)
endif()
