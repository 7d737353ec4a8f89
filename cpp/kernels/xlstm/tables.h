// The tables of this folder's functions.
#pragma once

#include "kernels/xlstm/mlstm_backward.h"
#include "kernels/xlstm/slstm_backward.h"

namespace rnnfast {

template <class Scalar>
constexpr XlstmTable<Scalar> make_xlstm_table() {
  return {slstm_packed_size<Scalar>, slstm_kept_size,       mlstm_kept_size<Scalar>,
          slstm_pack<Scalar>,        slstm_forward<Scalar>, slstm_backward<Scalar>,
          mlstm_forward<Scalar>,     mlstm_backward<Scalar>};
}

}  // namespace rnnfast
