# Programs for Windows, made on Linux: clang and lld with the headers and the C++ library of mingw-w64 (Debian's
# g++-mingw-w64-x86-64-posix). What find_package finds is in this folder: libraries of Linux are of no use there.
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(mingw x86_64-w64-mingw32)

set(CMAKE_C_COMPILER clang-19)
set(CMAKE_CXX_COMPILER clang++-19)
set(CMAKE_C_COMPILER_TARGET ${mingw})
set(CMAKE_CXX_COMPILER_TARGET ${mingw})
set(CMAKE_RC_COMPILER ${mingw}-windres)
set(CMAKE_AR /usr/bin/llvm-ar-19 CACHE FILEPATH "")
set(CMAKE_RANLIB /usr/bin/llvm-ranlib-19 CACHE FILEPATH "")

# A program runs alone: the C++ library and winpthreads are in it. That library defines std::type_info::operator== once
# more than C++23 code, which has it inline. The stack has the size that Linux gives.
set(CMAKE_EXE_LINKER_FLAGS_INIT
  "-fuse-ld=lld -static -pthread -Wl,--allow-multiple-definition -Wl,--stack,8388608")

set(CMAKE_FIND_ROOT_PATH /usr/${mingw})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(CMAKE_FIND_PACKAGE_PREFER_CONFIG ON)
foreach(package fmt spdlog GTest CLI11 OpenSSL PkgConfig tomlplusplus)
  set(${package}_DIR "${CMAKE_CURRENT_LIST_DIR}")
endforeach()

set(CMAKE_CROSSCOMPILING_EMULATOR "${CMAKE_CURRENT_LIST_DIR}/../../tools/wine")
# which needs no Wine before the tests run
set(CMAKE_GTEST_DISCOVER_TESTS_DISCOVERY_MODE PRE_TEST)
