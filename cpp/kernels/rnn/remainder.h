// Products of a layer's last unit block where its units are few: their gates side by side in as few
// vectors as hold them, spread out to a vector each at the end. The sums are those of any other
// block, bit for bit.
#pragma once

#include "kernels/rnn/layer_pass.h"

namespace rnnfast {

// slots = bias + x W_ih for the last block in `rows`, whose slots stand one after the other.
template <class Scalar>
void remainder_input_product(const LayerPass<Scalar>& pass, Range rows, Scalar* slots);

// slots += h<t-1> W_hh, or bias + h<t-1> W_hh for those that no input enters.
template <class Scalar>
void remainder_recurrent_product(const LayerPass<Scalar>& pass, Range rows, Scalar* slots);

}  // namespace rnnfast
