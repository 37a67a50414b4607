#include <boost/core/demangle.hpp>
#include <map>
#include <string>
#include <typeindex>

#include "peeper/detail/names.hpp"

namespace peeper::detail {

std::string_view demangled(const std::type_info& type) {
  static std::map<std::type_index, std::string> names;
  const auto [at, is_new] = names.try_emplace(type);
  if (is_new) at->second = boost::core::demangle(type.name());
  return at->second;
}

}  // namespace peeper::detail
