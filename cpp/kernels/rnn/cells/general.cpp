// RNN, GRU and LSTM as ONNX has them, for inference alone: the functions f, g and e are chosen by
// whoever runs them, what goes into those of gates, f and g, is kept within a bound, written [],
// and the forget gate of an LSTM may be 1 less the input gate. With h' = h<t-1>, c' = c<t-1>, and
// W x and U h' with their biases:
//
//   RNN   h = f[W_i x + W_h h']
//
//   GRU   r = f[W_ir x + W_hr h']
//         z = f[W_iz x + W_hz h']
//         n = g[W_in x + r (W_hn h')]        reset after the product
//         n = g[W_in x + W_hn (r h')]        reset before it
//         h = (1 - z) n + z h'
//
//   LSTM  i = f[W_ii x + W_hi h' (+ p_i c')]
//         k = f[W_if x + W_hf h' (+ p_f c')], or 1 - i
//         c = k c' + i g[W_ig x + W_hg h']
//         o = f[W_io x + W_ho h' (+ p_o c)]
//         h = o e(c)
//
// Gates and slots are those of rnn.h, gru.h and lstm.h. States may be of any size: h of a GRU
// is formed as it stands above, where the short form with h' - n would lose h' beside a large n.
#include "kernels/core/gate_functions.h"
#include "kernels/rnn/register_cell.h"

namespace rnnfast {

namespace {

// Which of the functions.
constexpr int f = 0, g = 1, e = 2;

template <class Scalar, class V>
V mix(const V& n, const V& z, const V& previous) {
  return madd(sub(broadcast<Scalar>(1), z), n, mul(z, previous));
}

}  // namespace

struct RnnGeneral {
  static constexpr CellDescriptor descriptor =
      CellDescriptor("rnn_general", "h").with_input("h").with_recurrent("h").with_functions(1);

  template <class Scalar, class V>
  static void forward(V (&v)[1], const V&, V&, V& h, const Scalar*,
                      const GateFunctions& functions) {
    h = v[0] = clipped_gate<Scalar>(functions, f, v[0]);
  }
};

struct GruGeneral {
  static constexpr CellDescriptor descriptor = CellDescriptor("gru_general", "rzn")
                                                   .with_input("nrz")
                                                   .with_recurrent("rzn", 1)
                                                   .with_carry(Carry::output)
                                                   .with_functions(2);

  template <class Scalar, class V>
  static void forward(V (&v)[4], const V& previous, V& carry, V& h, const Scalar*,
                      const GateFunctions& functions) {
    v[1] = clipped_gate<Scalar>(functions, f, v[1]);
    v[2] = clipped_gate<Scalar>(functions, f, v[2]);
    v[0] = clipped_gate<Scalar>(functions, g, madd(v[1], v[3], v[0]));
    h = carry = mix<Scalar>(v[0], v[2], previous);
  }
};

struct GruGeneralBefore {
  static constexpr CellDescriptor descriptor = CellDescriptor("gru_general_before", "rzn")
                                                   .with_input("nrz")
                                                   .with_recurrent("rz", 1)
                                                   .with_second_product('n')
                                                   .with_carry(Carry::output)
                                                   .with_functions(2);

  template <class Scalar, class V>
  static V gates(V (&v)[3], const V& previous, const GateFunctions& functions) {
    v[1] = clipped_gate<Scalar>(functions, f, v[1]);
    v[2] = clipped_gate<Scalar>(functions, f, v[2]);
    return mul(v[1], previous);
  }
  template <class Scalar, class V>
  static void forward(V (&v)[3], const V& previous, V& carry, V& h, const Scalar*,
                      const GateFunctions& functions) {
    v[0] = clipped_gate<Scalar>(functions, g, v[0]);
    h = carry = mix<Scalar>(v[0], v[2], previous);
  }
};

template <bool peephole>
struct LstmGeneral {
  static constexpr CellDescriptor descriptor =
      CellDescriptor(peephole ? "lstm_general_peephole" : "lstm_general", "ifgo")
          .with_input("ifgo")
          .with_recurrent("ifgo")
          .with_carry(Carry::memory)
          .with_unit_weights("weight_peephole", peephole ? "ifo" : "", peephole ? "o" : "")
          .with_functions(3);

  // p: p_i, p_f, p_o of these units.
  template <class Scalar, class V>
  static void forward(V (&v)[4], const V& previous, V& carry, V& h, const Scalar* p,
                      const GateFunctions& functions) {
    const auto gate = [&](int which, int at, int weight, const V& c) {
      V x = v[at];
      if constexpr (peephole) x = madd(load(p + weight * lanes<Scalar>), c, x);
      return clipped_gate<Scalar>(functions, which, x);
    };
    v[0] = gate(f, 0, 0, previous);
    v[1] = functions.coupled ? sub(broadcast<Scalar>(1), v[0]) : gate(f, 1, 1, previous);
    v[2] = clipped_gate<Scalar>(functions, g, v[2]);
    carry = madd(v[1], previous, mul(v[0], v[2]));
    v[3] = gate(f, 3, 2, carry);
    h = mul(v[3], gate_function<Scalar>(functions.of[e], carry));
  }
};

RNNFAST_REGISTER(rnn_general, RnnGeneral)
RNNFAST_REGISTER(gru_general, GruGeneral)
RNNFAST_REGISTER(gru_general_before, GruGeneralBefore)
RNNFAST_REGISTER(lstm_general, LstmGeneral<false>)
RNNFAST_REGISTER(lstm_general_peephole, LstmGeneral<true>)

}  // namespace rnnfast
