# cmake --install: libraries, headers under include/co_wq, a CMake package and one pkg-config file per room.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# How a user of the installed tree finds what a room links: a line for co_wqConfig.cmake, a pkg-config package, a flag.
function(co_wq_external link out_find out_package out_flag)
  set(find "")
  set(package "")
  set(flag "")
  if(link MATCHES "^(fmt|spdlog)::")
    set(find "find_dependency(${CMAKE_MATCH_1})")
    set(package ${CMAKE_MATCH_1})
  elseif(link STREQUAL "Threads::Threads")
    set(find "find_dependency(Threads)")
    set(flag "-pthread")
  elseif(link MATCHES "^OpenSSL::")
    set(find "find_dependency(OpenSSL)")
    set(package openssl)
  elseif(link MATCHES "^PkgConfig::(.+)$")  # made by pkg_check_modules(NAME REQUIRED IMPORTED_TARGET NAME)
    set(package ${CMAKE_MATCH_1})
    set(find "find_dependency(PkgConfig)\npkg_check_modules(${package} REQUIRED QUIET IMPORTED_TARGET ${package})")
  elseif(link MATCHES "::")
    message(FATAL_ERROR "cmake/install.cmake does not know how an installed co_wq finds '${link}': add it there")
  else()
    set(flag "-l${link}")
  endif()
  set(${out_find} "${find}" PARENT_SCOPE)
  set(${out_package} "${package}" PARENT_SCOPE)
  set(${out_flag} "${flag}" PARENT_SCOPE)
endfunction()

# Installs one room and adds what finds its dependencies to CO_WQ_FIND_DEPENDENCIES.
function(co_wq_install_room room)
  set(folder "${CO_WQ_ROOM_FOLDER_${room}}")
  get_target_property(uses co_wq_${room} CO_WQ_USES)
  get_target_property(links co_wq_${room} CO_WQ_LINKS)
  get_target_property(private_links co_wq_${room} CO_WQ_PRIVATE_LINKS)
  install(TARGETS co_wq_${room} EXPORT co_wqTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  set(nested "")
  foreach(other IN LISTS CO_WQ_ROOMS)
    if(CO_WQ_ROOM_FOLDER_${other} MATCHES "^${folder}/")
      list(APPEND nested REGEX "/${CO_WQ_ROOM_FOLDER_${other}}" EXCLUDE)
    endif()
  endforeach()
  string(REGEX REPLACE "^src/" "" inner "${folder}")
  install(DIRECTORY "${PROJECT_SOURCE_DIR}/${folder}/" DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/co_wq/${inner}
    FILES_MATCHING PATTERN "*.hpp" REGEX "/(os|backend)$" EXCLUDE ${nested})
  if(room STREQUAL "base")  # what other rooms' headers include
    set(os "${PROJECT_SOURCE_DIR}/src/base/os")
    install(FILES "${os}/kernel_memory.hpp" "${os}/names.hpp" "${os}/wait.hpp"
      DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/co_wq/base/os)
  endif()

  set(requires ${uses})
  list(TRANSFORM requires PREPEND co_wq-)
  set(flags "-lco_wq_${room}")
  foreach(link IN LISTS links private_links)
    if(TARGET ${link} AND NOT link MATCHES "::")  # made by the room itself, from a system package's sources
      get_target_property(type ${link} TYPE)
      install(TARGETS ${link} EXPORT co_wqTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
      if(type STREQUAL "STATIC_LIBRARY")
        list(APPEND flags "-l$<TARGET_FILE_BASE_NAME:${link}>")
      endif()
    else()
      co_wq_external(${link} find package flag)
      set_property(GLOBAL APPEND PROPERTY CO_WQ_FIND_DEPENDENCIES "${find}")
      list(APPEND requires ${package})
      list(APPEND flags ${flag})
    endif()
  endforeach()
  list(JOIN requires " " requires)
  list(JOIN flags " " flags)
  file(RELATIVE_PATH up "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
  file(GENERATE OUTPUT "${PROJECT_BINARY_DIR}/pkgconfig/co_wq-${room}.pc" CONTENT "\
prefix=\${pcfiledir}/${up}
libdir=\${prefix}/${CMAKE_INSTALL_LIBDIR}
includedir=\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}

Name: co_wq-${room}
Description: ${PROJECT_DESCRIPTION}: ${room} (compile with -std=c++23)
Version: ${PROJECT_VERSION}
Requires: ${requires}
Cflags: -I\${includedir}/co_wq
Libs: -L\${libdir} ${flags}
")
  install(FILES "${PROJECT_BINARY_DIR}/pkgconfig/co_wq-${room}.pc" DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endfunction()

co_wq_library_rooms(rooms)
foreach(room IN LISTS rooms)
  co_wq_install_room(${room})
endforeach()
if(TARGET co_http_proxy)
  install(TARGETS co_http_proxy RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
if(TARGET co_probe)
  install(TARGETS co_probe RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

get_property(CO_WQ_FIND_DEPENDENCIES GLOBAL PROPERTY CO_WQ_FIND_DEPENDENCIES)
list(REMOVE_DUPLICATES CO_WQ_FIND_DEPENDENCIES)
list(JOIN CO_WQ_FIND_DEPENDENCIES "\n" CO_WQ_FIND_DEPENDENCIES)
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/co_wq)
configure_package_config_file(cmake/co_wqConfig.cmake.in "${PROJECT_BINARY_DIR}/co_wqConfig.cmake"
  INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file("${PROJECT_BINARY_DIR}/co_wqConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/co_wqConfig.cmake" "${PROJECT_BINARY_DIR}/co_wqConfigVersion.cmake"
  DESTINATION ${package_folder})
install(EXPORT co_wqTargets NAMESPACE co_wq:: DESTINATION ${package_folder})
