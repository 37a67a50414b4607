# Runs the model test with the canary's runtime: each of its cases must fail, and by nothing but the
# comparison of the heap's bytes after a crash.
execute_process(COMMAND ${PROGRAM} "--test-case=model: *"
  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output TIMEOUT 60)
set(comparison "REQUIRE( std::memcmp(before.data(), memory.data(), before.size()) == 0 )")
string(REGEX MATCH "test cases: +([0-9]+) \\| +0 passed \\| +([0-9]+) failed" summary "${output}")
set(cases "${CMAKE_MATCH_1}")
set(failed "${CMAKE_MATCH_2}")
string(REGEX MATCHALL "(FATAL )?ERROR: [^\n]*" errors "${output}")
if(NOT result EQUAL 1 OR summary STREQUAL "" OR cases LESS 5 OR NOT cases EQUAL failed)
  message(FATAL_ERROR "not all cases of the model failed (${result}):\n${output}")
endif()
foreach(error IN LISTS errors)
  string(FIND "${error}" "${comparison}" found)
  if(found EQUAL -1)
    message(FATAL_ERROR "failed by something else: ${error}\n${output}")
  endif()
endforeach()
