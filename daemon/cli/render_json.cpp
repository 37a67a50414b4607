#include "daemon/cli/render_json.hpp"

#include <boost/json.hpp>

#include "common/json/value_json.hpp"

namespace peeper::cli {

std::string render_json(const resp::Reply& reply) {
  return boost::json::serialize(value_json(reply));
}

std::string render_json_error(std::string_view code, std::string_view message) {
  return boost::json::serialize(error_json(code, message));
}

}  // namespace peeper::cli
