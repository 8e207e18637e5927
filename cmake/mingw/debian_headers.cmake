# co_wq_debian_headers(TARGET FOLDER PACKAGE): a target for the headers of /usr/include/FOLDER, which are PACKAGE's.
# Only they are on its path, through a link: the other headers there are of Linux.
function(co_wq_debian_headers target folder package)
  if(NOT IS_DIRECTORY "/usr/include/${folder}")
    message(FATAL_ERROR "no headers in /usr/include/${folder}: install ${package}")
  endif()
  set(links "${PROJECT_BINARY_DIR}/headers")
  file(MAKE_DIRECTORY "${links}")
  file(CREATE_LINK "/usr/include/${folder}" "${links}/${folder}" SYMBOLIC)
  add_library(${target} INTERFACE IMPORTED GLOBAL)
  target_include_directories(${target} INTERFACE "${links}")
endfunction()
