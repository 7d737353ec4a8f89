// What a cell is, beside its step and its derivative: one descriptor, plain data that crosses the
// table. Layouts, sizes of parameters, and the names that callers know derive from it.
#pragma once

#include <initializer_list>

namespace rnnfast {

// What a descriptor that is wrong calls, which does not compile.
int a_letter_of_another_cell();
int a_bias_of_other_gates_than_the_first();

// The state of H units that a cell hands from step to step past its products.
enum class Carry {
  none,
  output,  // h<t> itself
  memory,  // c<t>, which callers see beside h
};

// Gates are letters, in the order of the parameters' blocks of H rows. A step works on slots, one
// vector a unit block and row each: the input's product feeds the first ones, one for each gate,
// the recurrent product a contiguous run of them.
//
// A cell with norms has the two products of a gate in slots of their own. Runs of slots are
// normalised together, over all units of a row; then each slot has a gain and a bias, and adds to
// one of the sums of which gates are made.
struct CellDescriptor {
  static constexpr int kMost = 4;       // gates, and sums
  static constexpr int kMostSlots = 9;  // both products of each gate, and the memory
  static constexpr int kMostNorms = 4;

  const char* name;
  const char* gates;
  int gate_count;
  int slots = 0, x_count = 0, h_first = 0, h_count = 0;
  int x_gate[kMost] = {}, h_gate[kMost] = {};  // the gate behind each x or h slot
  int bias_count;                              // the first so many gates have a bias
  int second_gate = -1;  // its recurrent product, into slot 0, waits for the gate in slot 1; or -1
  Carry carry = Carry::none;
  bool may_project = false;
  // Whether the last slot, in layers whose input is as wide as their output, is the input itself.
  bool highway = false;
  // Weights of one number a unit: the name of the parameter, (unit_count * H). Each multiplies the
  // carry before the step, or after it, into a slot's pre-activation.
  const char* unit_weights = nullptr;
  int unit_count = 0;
  int unit_slot[kMost] = {};
  bool unit_after[kMost] = {};
  // The gate that keeps the state: where it is open (of sign 1) or closed (of sign -1); or -1.
  int keep_gate = -1, keep_sign = 1;
  bool raw[kMost] = {};  // slots in which a pass leaves what the gate is the sigmoid of
  // Whether zoneout keeps units of the state, and dropout takes units of the candidate.
  bool noisy = false;
  int norm_count = 0, norm_first[kMostNorms + 1] = {};  // the first slot of each, and the end
  int sum_first = 0;     // the sum to which the first slot of the recurrent product adds
  int memory_slot = -1;  // the slot of a memory that is normalised; no product feeds it
  // How many of GateFunctions a general cell takes, which is for inference alone; else 0.
  int function_count = 0;

  constexpr explicit CellDescriptor(const char* cell = "", const char* letters = "")
      : name(cell), gates(letters), gate_count(length(letters)), bias_count(gate_count) {}

  // The gates of the first slots.
  constexpr CellDescriptor& with_input(const char* letters) {
    x_count = length(letters);
    for (int i = 0; i < x_count; ++i) x_gate[i] = gate(letters[i]);
    slots = x_count;
    return *this;
  }
  // The gates of the slots from `first` on. Without it there is no recurrent product.
  constexpr CellDescriptor& with_recurrent(const char* letters, int first = 0) {
    h_first = first;
    h_count = length(letters);
    for (int i = 0; i < h_count; ++i) h_gate[i] = gate(letters[i]);
    if (first + h_count > slots) slots = first + h_count;
    sum_first = first;
    return *this;
  }
  constexpr CellDescriptor& with_second_product(char letter) {
    second_gate = gate(letter);
    return *this;
  }
  // The letters are those of the first gates; by default all gates have a bias.
  constexpr CellDescriptor& with_biases(const char* letters) {
    bias_count = length(letters);
    for (int i = 0; i < bias_count; ++i)
      if (gate(letters[i]) != i) a_bias_of_other_gates_than_the_first();
    return *this;
  }
  // Of the last gate.
  constexpr CellDescriptor& with_highway() {
    highway = true;
    return *this;
  }
  constexpr CellDescriptor& with_carry(Carry kind) {
    carry = kind;
    return *this;
  }
  constexpr CellDescriptor& with_projection() {
    may_project = true;
    return *this;
  }
  // Those gates of `letters` that are in `after` see the carry after the step.
  constexpr CellDescriptor& with_unit_weights(const char* parameter, const char* letters,
                                              const char* after = "") {
    unit_weights = parameter;
    unit_count = length(letters);
    for (int i = 0; i < unit_count; ++i) {
      unit_slot[i] = x_slot(letters[i]);
      unit_after[i] = find(after, letters[i]) >= 0;
    }
    return *this;
  }
  constexpr CellDescriptor& with_keep_gate(char letter, int sign = 1) {
    keep_gate = gate(letter);
    keep_sign = sign;
    return *this;
  }
  constexpr CellDescriptor& with_raw(const char* letters) {
    for (int i = 0; letters[i] != 0; ++i) raw[x_slot(letters[i])] = true;
    return *this;
  }

  constexpr CellDescriptor& with_noise() {
    noisy = true;
    return *this;
  }
  // Norms of so many neighbouring gates of the input's product, and of the recurrent one.
  constexpr CellDescriptor& with_norms(int x_first, int x_second, int recurrent_first,
                                       int recurrent_second) {
    h_first = x_count;
    slots = 0;
    for (int count : {x_first, x_second, recurrent_first, recurrent_second}) add_norm(count);
    return *this;
  }
  constexpr CellDescriptor& with_memory_norm() {
    memory_slot = slots;
    add_norm(1);
    return *this;
  }

  constexpr CellDescriptor& with_functions(int count) {
    function_count = count;
    return *this;
  }

  // The cell in a layer with the input itself in the last slot: no product feeds it.
  constexpr CellDescriptor on_highway() const {
    CellDescriptor cell = *this;
    --cell.x_count;
    --cell.gate_count;
    return cell;
  }

  // Whether a caller chooses the functions of gates.
  constexpr bool general() const { return function_count > 0; }
  // Whether there is backpropagation.
  constexpr bool trains() const { return !general(); }
  constexpr bool normalised() const { return norm_count > 0; }
  // What gates are made of, and the one to which a product's slot adds.
  constexpr int sums() const { return normalised() ? sum_first + h_count : slots; }
  constexpr int sum_of(int slot) const {
    return slot < x_count ? slot : slot - h_first + sum_first;
  }
  // Gradients of gains and biases a unit: of each slot's gain, of each sum, of the memory.
  constexpr int norm_gradients() const { return slots + sums() + (memory_slot >= 0 ? 1 : 0); }
  // Vectors of scratch that a row's norms need for each unit block on the way back.
  constexpr int row_scratch() const { return sums() + 1; }
  // Whether zoneout hands on a part of h<t-1> beside the carry.
  constexpr bool keeps_output() const { return noisy && has_memory(); }

  constexpr bool carries() const { return carry != Carry::none; }
  constexpr bool has_memory() const { return carry == Carry::memory; }
  constexpr bool second_product() const { return second_gate >= 0; }
  // Whether h<t-1> passes through a matrix.
  constexpr bool recurrent_product() const { return h_count > 0; }
  // The slot that a gate's input product feeds, and in which a pass leaves the gate.
  constexpr int slot_of(int gate) const {
    for (int i = 0; i < x_count; ++i)
      if (x_gate[i] == gate) return i;
    return -1;
  }

  // What the drivers take for granted.
  constexpr bool is_sound() const {
    for (int g = 0; g < gate_count; ++g)
      if (slot_of(g) < 0) return false;
    if (x_count != gate_count) return false;  // each gate sees the input, once
    if (slots > (normalised() ? kMostSlots : kMost) || (noisy && !carries())) return false;
    if (noisy && (may_project || unit_count > 0 || second_product() || !recurrent_product()))
      return false;
    if (highway && (recurrent_product() || noisy || bias_count == gate_count ||
                    x_gate[x_count - 1] != gate_count - 1))
      return false;
    if (bias_count < gate_count && recurrent_product()) return false;
    if (general() && (noisy || may_project || !recurrent_product())) return false;
    if (normalised() && (!noisy || h_first + h_count + (memory_slot >= 0) != slots)) return false;
    if (second_product() && (h_first != 1 || x_gate[0] != second_gate || !carries())) return false;
    if ((may_project && !has_memory()) || (unit_count > 0 && !carries())) return false;
    if (!recurrent_product()) return slots == x_count && !second_product() && !may_project;
    return h_count + (second_product() ? 1 : 0) == gate_count;
  }

 private:
  static constexpr int length(const char* text) {
    int n = 0;
    while (text[n] != 0) ++n;
    return n;
  }
  static constexpr int find(const char* text, char letter) {
    for (int i = 0; text[i] != 0; ++i)
      if (text[i] == letter) return i;
    return -1;
  }
  // A letter that is no gate does not compile.
  constexpr int gate(char letter) const {
    const int found = find(gates, letter);
    return found >= 0 ? found : a_letter_of_another_cell();
  }
  constexpr void add_norm(int count) {
    if (count == 0) return;
    slots += count;
    norm_first[++norm_count] = slots;
  }
  constexpr int x_slot(char letter) const { return slot_of(gate(letter)); }
};

}  // namespace rnnfast
