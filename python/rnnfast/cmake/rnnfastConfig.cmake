# find_package(rnnfast), in the Python package: rnnfast::rnnfast, the shared library, which runs on
# the package's own kernels. A static one comes with `cmake --install` of the sources.
get_filename_component(_rnnfast "${CMAKE_CURRENT_LIST_DIR}/.." ABSOLUTE)
if(NOT EXISTS "${_rnnfast}/lib/librnnfast.so")
  set(rnnfast_FOUND FALSE)
  set(rnnfast_NOT_FOUND_MESSAGE "this package has no library: it is for Linux, and not in an editable install")
  return()
endif()
if(NOT TARGET rnnfast::rnnfast)
  add_library(rnnfast::rnnfast SHARED IMPORTED)
  set_target_properties(rnnfast::rnnfast PROPERTIES
    IMPORTED_LOCATION "${_rnnfast}/lib/librnnfast.so"
    INTERFACE_INCLUDE_DIRECTORIES "${_rnnfast}/include")
endif()
unset(_rnnfast)
