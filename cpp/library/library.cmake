# The library for C and C++.
#
# In the wheel: the shared one, on the kernels of the modules beside it, which a wheel then has once.
# With RNNFAST_LIBRARY: a static and a shared one that need nothing else.

set(library_sources
  cpp/cpu.cpp
  cpp/time_pooling.cpp
  cpp/library/answers.cpp
  cpp/library/api.cpp
  cpp/library/api_streams.cpp
  cpp/library/archive.cpp
  cpp/library/json.cpp
  cpp/library/kernels.cpp
  cpp/library/layers.cpp
  cpp/library/model.cpp
  cpp/library/network.cpp
  cpp/library/parts.cpp
  cpp/library/rtneural.cpp
  cpp/library/sha256.cpp
  cpp/library/steps.cpp
  cpp/library/text.cpp
  cpp/library/words.cpp)
set(library_include "${CMAKE_CURRENT_SOURCE_DIR}/python/rnnfast/include")
# RNNFAST_ABI_VERSION stands in the header alone.
file(STRINGS "${library_include}/rnnfast/rnnfast.h" abi_line REGEX "^#define RNNFAST_ABI_VERSION")
string(REGEX REPLACE "[^0-9]" "" library_abi "${abi_line}")

add_library(rnnfast_library_flags INTERFACE)
target_include_directories(rnnfast_library_flags INTERFACE "${library_include}")
target_compile_definitions(rnnfast_library_flags INTERFACE
  RNNFAST_VERSION="${SKBUILD_PROJECT_VERSION}")
target_link_libraries(rnnfast_library_flags INTERFACE rnnfast_flags)

# The functions of the header alone are seen from without.
set(library_symbols "${CMAKE_CURRENT_BINARY_DIR}/rnnfast.map")
file(WRITE "${library_symbols}" "{ global: rnnfast_*; local: *; };\n")
set(library_linking "-Wl,--version-script=${library_symbols}")

include(CMakePackageConfigHelpers)
set(library_cmake "${CMAKE_CURRENT_BINARY_DIR}/cmake")
write_basic_package_version_file("${library_cmake}/rnnfastConfigVersion.cmake"
  VERSION "${SKBUILD_PROJECT_VERSION}" COMPATIBILITY SameMinorVersion)

if(RNNFAST_PYTHON AND NOT RNNFAST_SANITIZE)  # its tests compile the sources with sanitizers
  add_library(rnnfast_wheel SHARED ${library_sources} cpp/library/kernels_beside.cpp)
  set_target_properties(rnnfast_wheel PROPERTIES OUTPUT_NAME rnnfast
    LIBRARY_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/wheel")
  if(SKBUILD)
    set_target_properties(rnnfast_wheel PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 9)
  endif()
  target_compile_definitions(rnnfast_wheel PRIVATE
    RNNFAST_MODULE_SUFFIX=".${Python_SOABI}${CMAKE_SHARED_MODULE_SUFFIX}")
  target_link_libraries(rnnfast_wheel PRIVATE rnnfast_library_flags ${CMAKE_DL_LIBS})
  target_link_options(rnnfast_wheel PRIVATE ${library_linking})
  target_compile_options(rnnfast_wheel PRIVATE $<$<CONFIG:Release>:-Os>)  # the kernels do the work
  install(TARGETS rnnfast_wheel LIBRARY DESTINATION rnnfast/lib)
  install(FILES "${library_cmake}/rnnfastConfigVersion.cmake" DESTINATION rnnfast/cmake)
endif()

if(NOT RNNFAST_LIBRARY)
  return()
endif()
include(GNUInstallDirs)

# The kernels of a level as one object, linked in part: groups of functions that several levels have
# under one name are resolved within it, and all but its entry is local. A CPU without AVX-512 can
# then never be given a function that was compiled for it.
set(level_objects "")
set(each_level "")
foreach(level IN LISTS RNNFAST_LEVELS)
  set(kernels _kernels_${level})
  set(entry rnnfast_kernels_${level})
  add_library(${kernels}_entry OBJECT cpp/library/entry.cpp)
  target_compile_definitions(${kernels}_entry PRIVATE RNNFAST_ENTRY=${entry})
  target_link_libraries(${kernels}_entry PRIVATE ${kernels}_flags)
  set(object "${CMAKE_CURRENT_BINARY_DIR}/${entry}.o")
  add_custom_command(
    OUTPUT "${object}"
    COMMAND "${CMAKE_CXX_COMPILER}" -r -nostdlib -Wl,--force-group-allocation -o "${object}.part"
      $<TARGET_OBJECTS:${kernels}_objects> $<TARGET_OBJECTS:${kernels}_entry>
    COMMAND "${CMAKE_OBJCOPY}" --discard-all --keep-global-symbol=${entry}
      "${object}.part" "${object}"
    COMMAND sh -c "test \"$($0 -g --defined-only $1 | wc -l)\" = 1" "${CMAKE_NM}" "${object}"
    DEPENDS ${kernels}_objects ${kernels}_entry
      $<TARGET_OBJECTS:${kernels}_objects> $<TARGET_OBJECTS:${kernels}_entry>
    COMMAND_EXPAND_LISTS VERBATIM)
  set_source_files_properties("${object}" PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
  list(APPEND level_objects "${object}")
  string(APPEND each_level "RNNFAST_LEVEL(${level}) ")
endforeach()
add_custom_target(rnnfast_level_objects DEPENDS ${level_objects})

add_library(rnnfast_library_objects OBJECT ${library_sources} cpp/library/kernels_within.cpp)
target_compile_definitions(rnnfast_library_objects PRIVATE "RNNFAST_EACH_LEVEL=${each_level}")
target_link_libraries(rnnfast_library_objects PRIVATE rnnfast_library_flags)

foreach(kind SHARED STATIC)
  if(kind STREQUAL "STATIC")
    set(name rnnfast_static)
  else()
    set(name rnnfast)
  endif()
  add_library(${name} ${kind} $<TARGET_OBJECTS:rnnfast_library_objects> ${level_objects})
  add_dependencies(${name} rnnfast_level_objects)
  set_target_properties(${name} PROPERTIES OUTPUT_NAME rnnfast LINKER_LANGUAGE CXX)
  target_include_directories(${name} INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(${name} PRIVATE OpenMP::OpenMP_CXX Threads::Threads)
  install(TARGETS ${name} EXPORT rnnfastTargets COMPONENT library)
endforeach()
target_link_options(rnnfast PRIVATE ${library_linking})
set_target_properties(rnnfast PROPERTIES VERSION "${SKBUILD_PROJECT_VERSION}"
  SOVERSION "${library_abi}")

set(config_folder "${CMAKE_INSTALL_LIBDIR}/cmake/rnnfast")
install(DIRECTORY "${library_include}/" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  COMPONENT library)
install(EXPORT rnnfastTargets NAMESPACE rnnfast:: DESTINATION "${config_folder}"
  COMPONENT library)
install(FILES cpp/library/cmake/rnnfastConfig.cmake
  "${library_cmake}/rnnfastConfigVersion.cmake" DESTINATION "${config_folder}" COMPONENT library)
