# co_wq_built_library(OUT PACKAGE): the folder with include/ and lib/ of a library for Windows, made from the sources of
# Debian's package when it is not there yet (tools/mingw_libraries, which also says where it is kept).
function(co_wq_built_library out package)
  execute_process(COMMAND "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../../tools/mingw_libraries" ${package}
    OUTPUT_VARIABLE folder OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "no ${package} for Windows, see above")
  endif()
  set(${out} "${folder}" PARENT_SCOPE)
endfunction()
