#include "daemon/cli/render_json.hpp"

#include "common/json/json_text.hpp"
#include "common/json/value_json.hpp"

namespace peeper::cli {

std::string render_json(const resp::Reply& reply) {
  return json_text(value_json(reply));
}

std::string render_json_error(std::string_view code, std::string_view message) {
  return json_text(error_json(code, message));
}

}  // namespace peeper::cli
