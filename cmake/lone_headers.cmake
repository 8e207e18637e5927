# Every header compiles alone and twice: one generated source per header, with the room's own usage requirements.
# Build with the target lone_headers.
add_custom_target(lone_headers)

function(co_wq_lone_headers room)
  set(folder "${CO_WQ_ROOM_FOLDER_${room}}")
  string(REGEX MATCH "^[^/]+" include_root "${folder}")
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS
    RELATIVE "${PROJECT_SOURCE_DIR}/${include_root}" "${PROJECT_SOURCE_DIR}/${folder}/*.hpp")
  foreach(other IN LISTS CO_WQ_ROOMS)
    if(CO_WQ_ROOM_FOLDER_${other} MATCHES "^${folder}/")  # a side room inside this one
      string(REGEX REPLACE "^[^/]+/" "" inner "${CO_WQ_ROOM_FOLDER_${other}}")
      list(FILTER headers EXCLUDE REGEX "^${inner}/")
    endif()
  endforeach()
  set(sources "")
  foreach(header IN LISTS headers)
    # what is of Windows alone says so, by its name or by what it includes
    file(STRINGS "${PROJECT_SOURCE_DIR}/${include_root}/${header}" of_windows LIMIT_COUNT 1
      REGEX "^#include <windows\\.h>")
    if(NOT WIN32 AND (of_windows OR header MATCHES "_windows\\.hpp$"))
      continue()
    endif()
    set(source "${CMAKE_CURRENT_BINARY_DIR}/lone_headers/${header}.cpp")
    file(CONFIGURE OUTPUT "${source}" CONTENT "#include \"${header}\"\n#include \"${header}\"\n" @ONLY)
    list(APPEND sources "${source}")
  endforeach()
  if(NOT sources)
    return()
  endif()
  set(target co_wq_lone_headers_${room})
  add_library(${target} OBJECT EXCLUDE_FROM_ALL ${sources})
  target_compile_options(${target} PRIVATE -O0 -Werror)
  target_link_libraries(${target} PRIVATE co_wq_${room} co_wq_warnings)
  target_include_directories(${target} PRIVATE $<TARGET_PROPERTY:co_wq_${room},INCLUDE_DIRECTORIES>)
  target_compile_definitions(${target} PRIVATE $<TARGET_PROPERTY:co_wq_${room},COMPILE_DEFINITIONS>)
  add_dependencies(lone_headers ${target})
endfunction()

foreach(room IN LISTS CO_WQ_ROOMS)
  if(TARGET co_wq_${room})
    co_wq_lone_headers(${room})
  endif()
endforeach()
