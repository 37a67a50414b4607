# Compiles SOURCE with COMPILER and compares with what its comments expect:
#   // says: TEXT     the compiler's output contains TEXT, and there is no program
#   // member: NAME   it names that member of a State
# With neither, it must compile without a word.
execute_process(COMMAND ${COMPILER} -std=c++20 -Wall -Wextra -Wpedantic -fsyntax-only
  -I ${INCLUDE} ${SOURCE} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)

file(STRINGS ${SOURCE} expectations REGEX "^// (says|member): ")
if(NOT expectations)
  if(NOT result EQUAL 0 OR NOT output STREQUAL "")
    message(FATAL_ERROR "should have compiled in silence:\n${output}")
  endif()
  return()
endif()

if(result EQUAL 0)
  message(FATAL_ERROR "should not have compiled")
endif()
foreach(expectation ${expectations})
  if(expectation MATCHES "^// says: (.*)")
    string(FIND "${output}" "${CMAKE_MATCH_1}" found)
  else()
    string(REGEX REPLACE "^// member: " "" member "${expectation}")
    # Clang: {&state_of.value.NAME}; GCC: (& state_of<...>...::value.State::NAME)
    string(REGEX MATCH "value\\.([A-Za-z_{}:]*::)?${member}[)}]" matched "${output}")
    if(matched STREQUAL "")
      set(found -1)
    else()
      set(found 0)
    endif()
  endif()
  if(found EQUAL -1)
    message(FATAL_ERROR "missing: ${expectation}\nin:\n${output}")
  endif()
endforeach()
