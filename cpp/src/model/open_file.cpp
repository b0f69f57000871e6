// Apart from model.cpp: devices without a file system leave it out.
#include "format/file.hpp"
#include "ppgfast/model.hpp"

namespace ppgfast {

Error Model::open_file(const char* path, const char* isa, Model* out) noexcept {
  format::FileBytes file;
  if (const Error error = file.read(path)) return error;
  return open_memory(file.data(), file.size(), isa, out);
}

}  // namespace ppgfast
