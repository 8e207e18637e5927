# OpenSSL as static libraries.
if(NOT TARGET OpenSSL::SSL)
  include("${CMAKE_CURRENT_LIST_DIR}/built_library.cmake")
  co_wq_built_library(folder openssl)
  add_library(OpenSSL::Crypto STATIC IMPORTED GLOBAL)
  set_target_properties(OpenSSL::Crypto PROPERTIES IMPORTED_LOCATION "${folder}/lib/libcrypto.a"
    INTERFACE_INCLUDE_DIRECTORIES "${folder}/include" INTERFACE_LINK_LIBRARIES "ws2_32;gdi32;crypt32")
  add_library(OpenSSL::SSL STATIC IMPORTED GLOBAL)
  set_target_properties(OpenSSL::SSL PROPERTIES IMPORTED_LOCATION "${folder}/lib/libssl.a"
    INTERFACE_INCLUDE_DIRECTORIES "${folder}/include" INTERFACE_LINK_LIBRARIES OpenSSL::Crypto)
endif()
