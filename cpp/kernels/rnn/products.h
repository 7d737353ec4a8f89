// The large products that no cell's pointwise step is part of: compiled once for all cells.
#pragma once

#include "kernels/rnn/layer_pass.h"

namespace rnnfast {

// Steps [s, result) make a chunk of at most so many rows, and of one step at least.
inline std::int64_t chunk_end(const Schedule& schedule, std::int64_t s, std::int64_t rows) {
  std::int64_t end = s + 1;
  while (end < schedule.steps && schedule.first[end + 1] - schedule.first[s] <= rows) ++end;
  return end;
}
// Rows of slots that a pass needs which keeps nothing.
inline std::int64_t chunk_rows(const Schedule& schedule) {
  return std::max(schedule.B, std::min<std::int64_t>(schedule.rows, kChunkRows));
}

// The row whose slots stand first in a chunk that keeps nothing, as step s of the chunk counts.
// Where threads own rows of the batch, each of those has places of its own, also in a ragged batch,
// so that no thread meets slots that another still reads.
inline std::int64_t first_workspace_row(const Schedule& schedule, const Worker& worker,
                                        std::int64_t chunk, std::int64_t s) {
  return worker.split_rows ? schedule.first[s] - (s - chunk) * schedule.B : schedule.first[chunk];
}

// slots = bias + x W_ih for the worker's rows of a chunk of steps and for `blocks`, up or down,
// `after` being the block that is read next. The chunk's slots follow `place` rows of others.
template <class Scalar>
void input_product(const LayerPass<Scalar>& pass, const Worker& worker, Range blocks, bool down,
                   std::int64_t after, Range steps, std::int64_t place);

// y = W_hr (o tanh(c)) for the worker's part of step s, its blocks up or down.
template <class Scalar>
void projection_product(const LayerPass<Scalar>& pass, const Worker& worker, std::int64_t s,
                        bool down);

// dx = dG W_ih (added to dx, if so) for the share of `member` in rows.
template <class Scalar>
void input_gradient(const LayerPass<Scalar>& pass, Scalar* const* dx, bool add_to, Range rows,
                    int member, int members);

}  // namespace rnnfast
