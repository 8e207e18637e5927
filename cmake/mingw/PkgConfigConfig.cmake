# pkg_check_modules for the libraries that are made for Windows; pkg-config itself knows those of Linux.
include("${CMAKE_CURRENT_LIST_DIR}/built_library.cmake")
function(pkg_check_modules prefix)
  list(GET ARGN -1 package)
  set(${prefix}_FOUND FALSE PARENT_SCOPE)
  if(package STREQUAL "libcares")
    if(NOT TARGET PkgConfig::libcares)
      co_wq_built_library(folder c-ares)
      add_library(PkgConfig::libcares STATIC IMPORTED GLOBAL)
      set_target_properties(PkgConfig::libcares PROPERTIES IMPORTED_LOCATION "${folder}/lib/libcares.a"
        INTERFACE_INCLUDE_DIRECTORIES "${folder}/include" INTERFACE_COMPILE_DEFINITIONS CARES_STATICLIB
        INTERFACE_LINK_LIBRARIES "ws2_32;iphlpapi;advapi32")
    endif()
    set(${prefix}_FOUND TRUE PARENT_SCOPE)
  elseif(REQUIRED IN_LIST ARGN)
    message(FATAL_ERROR "there is no ${package} for Windows (cmake/mingw)")
  endif()
endfunction()
