#include "worker/runtime/exception_text.hpp"

#include <cxxabi.h>
#include <sys/resource.h>

#include <cstdlib>
#include <exception>
#include <memory>
#include <new>
#include <typeinfo>

#include "worker/runtime/heap.hpp"

namespace peeper::worker {

std::string exception_text() {
  std::string text = "an exception of unknown type";
  if (const std::type_info* type = __cxxabiv1::__cxa_current_exception_type()) {
    const std::unique_ptr<char, void (*)(void*)> name{
        __cxxabiv1::__cxa_demangle(type->name(), nullptr, nullptr, nullptr), std::free};
    text = name ? name.get() : type->name();
  }
  try {
    throw;
  } catch (const OutOfStateMemory& e) {
    text = e.what();
  } catch (const std::bad_alloc& e) {
    text += std::string(": ") + e.what();
    rlimit limit{};
    if (::getrlimit(RLIMIT_DATA, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
      text = "OOM: " + text + "; limits.memory is " + std::to_string(limit.rlim_cur) + " bytes";
  } catch (const std::exception& e) {
    text += std::string(": ") + e.what();
  } catch (...) {
  }
  return text;
}

}  // namespace peeper::worker
