# find_package(rnnfast): rnnfast::rnnfast, shared, and rnnfast::rnnfast_static, which needs the C++
# standard library and OpenMP's runtime of whoever links it.
include(CMakeFindDependencyMacro)
find_dependency(Threads)
get_property(languages GLOBAL PROPERTY ENABLED_LANGUAGES)
if("CXX" IN_LIST languages)
  find_dependency(OpenMP COMPONENTS CXX)
endif()
include("${CMAKE_CURRENT_LIST_DIR}/rnnfastTargets.cmake")
