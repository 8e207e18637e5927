# Rooms: one folder, one static library, one way down the stairs (cmake/rooms.txt).
file(STRINGS "${CMAKE_CURRENT_LIST_DIR}/rooms.txt" co_wq_room_lines REGEX "^[a-z]")
set(CO_WQ_ROOMS "")
foreach(line IN LISTS co_wq_room_lines)
  string(REGEX MATCH "^([a-z_]+)[ \t]+([^ \t]+)" matched "${line}")
  list(APPEND CO_WQ_ROOMS ${CMAKE_MATCH_1})
  set(CO_WQ_ROOM_FOLDER_${CMAKE_MATCH_1} ${CMAKE_MATCH_2})
endforeach()
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${CMAKE_CURRENT_LIST_DIR}/rooms.txt")

# co_wq_room(NAME SOURCES ... USES room... LINKS target... PRIVATE_LINKS target...)
# Makes co_wq_NAME (alias co_wq::NAME) and refuses a room that reaches upwards or sideways. LINKS and PRIVATE_LINKS
# name what comes from outside; cmake/install.cmake tells users of the installed tree how to find it.
function(co_wq_room name)
  cmake_parse_arguments(ARG "" "" "SOURCES;USES;LINKS;PRIVATE_LINKS" ${ARGN})
  if(ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "room '${name}': unknown arguments: ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  list(FIND CO_WQ_ROOMS ${name} own)
  if(own LESS 0)
    message(FATAL_ERROR "room '${name}' is not in cmake/rooms.txt")
  endif()
  foreach(used IN LISTS ARG_USES)
    list(FIND CO_WQ_ROOMS ${used} place)
    if(place LESS 0 OR NOT place LESS own)
      message(FATAL_ERROR "room '${name}' must not use '${used}': only rooms above it in cmake/rooms.txt")
    endif()
  endforeach()
  # src/net/dns is included as "net/dns/...", apps/proxy as "proxy/...": the first folder is the include root
  string(REGEX MATCH "^[^/]+" include_root "${CO_WQ_ROOM_FOLDER_${name}}")
  add_library(co_wq_${name} STATIC ${ARG_SOURCES})
  add_library(co_wq::${name} ALIAS co_wq_${name})
  set_target_properties(co_wq_${name} PROPERTIES
    EXPORT_NAME ${name} CO_WQ_USES "${ARG_USES}" CO_WQ_LINKS "${ARG_LINKS}" CO_WQ_PRIVATE_LINKS "${ARG_PRIVATE_LINKS}")
  target_compile_features(co_wq_${name} PUBLIC cxx_std_23)
  target_include_directories(co_wq_${name} PUBLIC
    "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/${include_root}>" $<INSTALL_INTERFACE:include/co_wq>)
  list(TRANSFORM ARG_USES PREPEND co_wq_)
  target_link_libraries(co_wq_${name} PUBLIC ${ARG_USES} ${ARG_LINKS}
    PRIVATE ${ARG_PRIVATE_LINKS} $<BUILD_INTERFACE:co_wq_warnings>)
endfunction()

# The rooms of this checkout that are libraries for others: those under src/.
function(co_wq_library_rooms out)
  set(found "")
  foreach(room IN LISTS CO_WQ_ROOMS)
    if(TARGET co_wq_${room} AND CO_WQ_ROOM_FOLDER_${room} MATCHES "^src/")
      list(APPEND found ${room})
    endif()
  endforeach()
  set(${out} "${found}" PARENT_SCOPE)
endfunction()
