/* rnnfast in C: models and layers that Python wrote, read and run without Python.
 *
 * Objects are opaque. A function that can fail returns a status; rnnfast_last_error() then tells
 * what was wrong in one line, for the thread that called. Nothing is changed by a call that fails,
 * and what it was to fill in is not to be looked at. A pointer that is NULL is such a case; those
 * that return no status have to be given an object.
 *
 * Layout: arrays are contiguous, time first: x (T, B, F), one sequence being B = 1, whatever
 * `batch_first` is in Python. Numbers are those of Python, bit for bit, on the same instruction set
 * (Activation layers of "tanh" and "sigmoid", which NumPy computes there, to the last bits).
 *
 * Threads: a model does not change once it is loaded, and any number of threads may use it at once.
 * A stream belongs to one thread at a time.
 *
 * Real time: rnnfast_step, rnnfast_run and their relatives allocate nothing, take no lock and make
 * no system call, whatever they return.
 */
#ifndef RNNFAST_RNNFAST_H
#define RNNFAST_RNNFAST_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
  #define RNNFAST_API
#else
  #define RNNFAST_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Of this header. A library of another number does not fit; one of the same has at least these
 * functions. */
#define RNNFAST_ABI_VERSION 1

/* RNNFAST_ABI_VERSION of the library that runs. */
RNNFAST_API int rnnfast_abi_version(void);
/* The release, "0.1.0". */
RNNFAST_API const char* rnnfast_version(void);
/* The instruction set that was chosen when the first model was loaded or this was first asked:
 * "v1", "v3" (AVX2) or "v4" (AVX-512), the best that this CPU runs, or that of the environment
 * variable RNNFAST_ISA. NULL where there is none of that name. */
RNNFAST_API const char* rnnfast_level(void);

typedef enum rnnfast_status {
  RNNFAST_OK = 0,
  RNNFAST_INVALID_ARGUMENT = 1, /* a size, a range, a null pointer, text that is not UTF-8 */
  RNNFAST_CANNOT_READ = 2,      /* no such file, no permission */
  RNNFAST_BAD_FILE = 3,         /* damaged, cut short, or its parts do not fit together */
  RNNFAST_UNKNOWN_FORMAT = 4,   /* of a version that this library does not read */
  RNNFAST_UNSUPPORTED = 5, /* a layer, a model or a question that this library has no answer to */
  RNNFAST_WRONG_TYPE = 6,  /* float where the model is of double, ids where it takes numbers */
  RNNFAST_NOT_FINITE = 7,  /* NaN or infinity in what was given, or in what came out */
  RNNFAST_OUT_OF_MEMORY = 8,
  RNNFAST_TOO_SMALL = 9,  /* the caller's memory; the size that is needed was filled in */
  RNNFAST_NO_KERNELS = 10 /* none for this CPU, or RNNFAST_ISA names another */
} rnnfast_status;

/* What a status means, in a few words; never NULL. */
RNNFAST_API const char* rnnfast_status_text(rnnfast_status status);
/* One line about the last call of this thread that failed; "" if none has. It stays until the next
 * call that fails. Calls of a stream's steps do not set it: their status says all. */
RNNFAST_API const char* rnnfast_last_error(void);

/* ---- Models ---- */

typedef struct rnnfast_model rnnfast_model;

/* Reads what rf.save or a model's save wrote: a layer or chain, a LanguageModel,
 * SequenceClassifier, SequenceTagger or CTCRecognizer. */
RNNFAST_API rnnfast_status rnnfast_load(const char* path, rnnfast_model** model);
/* The same of a file's bytes, which need not stay. */
RNNFAST_API rnnfast_status rnnfast_load_memory(const void* bytes, size_t size,
                                               rnnfast_model** model);
/* Reads a JSON file of RTNeural: layers dense, time-distributed-dense, gru and lstm. */
RNNFAST_API rnnfast_status rnnfast_load_rtneural(const char* path, rnnfast_model** model);
RNNFAST_API rnnfast_status rnnfast_load_rtneural_memory(const char* text, size_t size,
                                                        rnnfast_model** model);
/* NULL is nothing to free. Streams of a model must be freed before it. */
RNNFAST_API void rnnfast_free(rnnfast_model* model);

typedef enum rnnfast_kind {
  RNNFAST_LAYERS = 0,         /* one layer, or several one after the other */
  RNNFAST_LANGUAGE_MODEL = 1, /* scores and writes text */
  RNNFAST_CLASSIFIER = 2,     /* one label of a sequence */
  RNNFAST_TAGGER = 3,         /* a label of each step */
  RNNFAST_CTC = 4             /* fewer symbols than steps */
} rnnfast_kind;

/* Questions that no status answers: of a model or stream that is NULL the answer is 0, or NULL. */
RNNFAST_API rnnfast_kind rnnfast_model_kind(const rnnfast_model* model);
/* 1: of double, 0: of float. */
RNNFAST_API int rnnfast_is_double(const rnnfast_model* model);
/* Numbers of a step that it takes; where it takes ids, how many there are. */
RNNFAST_API int64_t rnnfast_input_size(const rnnfast_model* model);
/* Numbers of a step that rnnfast_forward gives: outputs of layers, scores of a model. */
RNNFAST_API int64_t rnnfast_output_size(const rnnfast_model* model);
/* 1: the input may be ids, 0: it may not. Layers that are recurrent take both. */
RNNFAST_API int rnnfast_takes_ids(const rnnfast_model* model);
RNNFAST_API int rnnfast_takes_numbers(const rnnfast_model* model);

/* How many threads a call of forward, predict or score may use, 1 to 1024; 1 at first. Results
 * carry the same bits whatever it is. Steps of streams use one always. */
RNNFAST_API rnnfast_status rnnfast_set_num_threads(int count);

/* ---- Whole sequences ---- */

/* y (T, B, output_size) of x (T, B, input_size), from zero states. With a pooling layer, or a
 * classifier, y is (B, output_size). Scores of models are those before the softmax. */
RNNFAST_API rnnfast_status rnnfast_forward(const rnnfast_model* model, int64_t T, int64_t B,
                                           const float* x, float* y);
RNNFAST_API rnnfast_status rnnfast_forward_f64(const rnnfast_model* model, int64_t T, int64_t B,
                                               const double* x, double* y);
/* The same of ids (T, B), each from 0 to input_size - 1. */
RNNFAST_API rnnfast_status rnnfast_forward_ids(const rnnfast_model* model, int64_t T, int64_t B,
                                               const int64_t* ids, float* y);
RNNFAST_API rnnfast_status rnnfast_forward_ids_f64(const rnnfast_model* model, int64_t T, int64_t B,
                                                   const int64_t* ids, double* y);

/* ---- Step by step ---- */

typedef struct rnnfast_stream rnnfast_stream;

/* B sequences side by side, at zero states; of layers in one direction, without pooling. */
RNNFAST_API rnnfast_status rnnfast_stream_create(const rnnfast_model* model, int64_t B,
                                                 rnnfast_stream** stream);
RNNFAST_API void rnnfast_stream_free(rnnfast_stream* stream);

/* One step: y (B, output_size) of x (B, input_size), or of ids (B). Where x is not finite the state
 * is as before; where y is not, as numbers overflow in the layers, RNNFAST_NOT_FINITE too, and the
 * state is of no use until rnnfast_reset or rnnfast_set_state. Memory of x and y must not overlap: RNNFAST_INVALID_ARGUMENT. */
RNNFAST_API rnnfast_status rnnfast_step(rnnfast_stream* stream, const float* x, float* y);
RNNFAST_API rnnfast_status rnnfast_step_f64(rnnfast_stream* stream, const double* x, double* y);
RNNFAST_API rnnfast_status rnnfast_step_ids(rnnfast_stream* stream, const int64_t* ids, float* y);
RNNFAST_API rnnfast_status rnnfast_step_ids_f64(rnnfast_stream* stream, const int64_t* ids,
                                                double* y);
/* T steps, such as a block of sound: y (T, B, output_size) of x (T, B, input_size). */
RNNFAST_API rnnfast_status rnnfast_run(rnnfast_stream* stream, int64_t T, const float* x, float* y);
RNNFAST_API rnnfast_status rnnfast_run_f64(rnnfast_stream* stream, int64_t T, const double* x,
                                           double* y);

/* Back to zero states. Allocates nothing either. */
RNNFAST_API rnnfast_status rnnfast_reset(rnnfast_stream* stream);
/* The states as numbers: of each recurrent layer h (L, B, P), then c (L, B, H) where it has one,
 * of a QRNN of filters of k steps (L, B, H + (k - 1) W) with the steps before. */
RNNFAST_API int64_t rnnfast_state_size(const rnnfast_stream* stream);
RNNFAST_API rnnfast_status rnnfast_get_state(const rnnfast_stream* stream, float* state);
RNNFAST_API rnnfast_status rnnfast_set_state(rnnfast_stream* stream, const float* state);
RNNFAST_API rnnfast_status rnnfast_get_state_f64(const rnnfast_stream* stream, double* state);
RNNFAST_API rnnfast_status rnnfast_set_state_f64(rnnfast_stream* stream, const double* state);

/* ---- Text and labels ---- */

/* Ids of a text in UTF-8, as the model's tokenizer splits it; `count` becomes how many there are,
 * RNNFAST_TOO_SMALL if that is more than `capacity`. Tokenizers of characters read any text, those
 * of words ASCII only; of others, and of other text, a caller has the tokens and asks for each. */
RNNFAST_API rnnfast_status rnnfast_encode(const rnnfast_model* model, const char* text,
                                          int64_t* ids, int64_t capacity, int64_t* count);
/* The id of one token, that of <UNK> if it is not known. */
RNNFAST_API rnnfast_status rnnfast_id_of_token(const rnnfast_model* model, const char* token,
                                               int64_t* id);
/* The token of an id; NULL if there is none. It lives as long as the model. */
RNNFAST_API const char* rnnfast_token(const rnnfast_model* model, int64_t id);
RNNFAST_API int64_t rnnfast_num_tokens(const rnnfast_model* model);
/* A class of a classifier or tagger, a symbol of a CTC model; NULL if there is none. */
RNNFAST_API const char* rnnfast_label(const rnnfast_model* model, int64_t number);
RNNFAST_API int64_t rnnfast_num_labels(const rnnfast_model* model);

/* log P(text) in nats and the number of tokens that this is of, of a language model: what
 * `evaluate` gives as log_prob and num_tokens; of one trained with `lines`, of one line and its
 * end. Refused where all tokens are unknown. */
RNNFAST_API rnnfast_status rnnfast_score_text(const rnnfast_model* model, const char* text,
                                              double* log_prob, int64_t* num_tokens);
/* The same of ids (T). */
RNNFAST_API rnnfast_status rnnfast_score_ids(const rnnfast_model* model, int64_t T,
                                             const int64_t* ids, double* log_prob,
                                             int64_t* num_tokens);

typedef struct rnnfast_sampling {
  double temperature; /* 0 takes the likeliest */
  int64_t top_k;      /* among so many of the likeliest; 0: all */
  double top_p;       /* and among the fewest that carry this probability; 1: all */
  int64_t max_length; /* tokens at most */
  uint64_t seed;      /* the same seed draws the same text, the one that Python draws */
} rnnfast_sampling;

/* temperature 1, top_k 0, top_p 1, max_length 500, seed 0. */
RNNFAST_API rnnfast_sampling rnnfast_default_sampling(void);
/* Draws what follows `prefix`, <UNK> excepted, into `text` of `capacity` bytes, prefix included and
 * a zero at its end. `size` becomes how many bytes that are; RNNFAST_TOO_SMALL if there is not so
 * much room. */
RNNFAST_API rnnfast_status rnnfast_sample(const rnnfast_model* model, const char* prefix,
                                          const rnnfast_sampling* options, char* text,
                                          size_t capacity, size_t* size);

/* Labels of one sequence x (T, F), as it was before it was standardised: one of a classifier, T of
 * a tagger, at most T of a CTC model (the best path). `count` becomes how many there are,
 * RNNFAST_TOO_SMALL if that is more than `capacity`. */
RNNFAST_API rnnfast_status rnnfast_predict(const rnnfast_model* model, int64_t T, const double* x,
                                           int64_t* labels, int64_t capacity, int64_t* count);
/* The same of ids (T), and of text. */
RNNFAST_API rnnfast_status rnnfast_predict_ids(const rnnfast_model* model, int64_t T,
                                               const int64_t* ids, int64_t* labels,
                                               int64_t capacity, int64_t* count);
RNNFAST_API rnnfast_status rnnfast_predict_text(const rnnfast_model* model, const char* text,
                                                int64_t* labels, int64_t capacity, int64_t* count);
/* Probabilities (K) of a classifier's labels for ids (T) or a series x (T, F), one of them NULL; of
 * a tagger (T, K). Whatever the model is of, in double, which holds its numbers. */
RNNFAST_API rnnfast_status rnnfast_probabilities(const rnnfast_model* model, int64_t T,
                                                 const double* x, const int64_t* ids,
                                                 double* probabilities, int64_t capacity,
                                                 int64_t* count);

#ifdef __cplusplus
}
#endif

#endif
