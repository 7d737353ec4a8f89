/* Scores lines of text by a language model that Python wrote:
 *
 *     score_text model.safetensors < lines.txt
 *
 * prints log P in nats, the number of tokens and the perplexity of each. */
#define _POSIX_C_SOURCE 200809L /* getline */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rnnfast/rnnfast.h"

static int failed(const char* what) {
  fprintf(stderr, "%s: %s\n", what, rnnfast_last_error());
  return 1;
}

int main(int count, char** arguments) {
  rnnfast_model* model = NULL;
  char* line = NULL;
  size_t room = 0;
  if (count != 2) {
    fprintf(stderr, "usage: score_text MODEL < LINES\n");
    return 2;
  }
  if (rnnfast_abi_version() != RNNFAST_ABI_VERSION) {
    fprintf(stderr, "expected a library of ABI %d, got %d\n", RNNFAST_ABI_VERSION,
            rnnfast_abi_version());
    return 1;
  }
  if (rnnfast_load(arguments[1], &model) != RNNFAST_OK) return failed(arguments[1]);
  while (getline(&line, &room, stdin) != -1) {
    double log_prob = 0;
    int64_t tokens = 0;
    line[strcspn(line, "\r\n")] = 0;
    if (rnnfast_score_text(model, line, &log_prob, &tokens) != RNNFAST_OK) {
      rnnfast_free(model);
      failed(line);
      free(line);
      return 1;
    }
    printf("%.17g %lld %.4f\n", log_prob, (long long)tokens,
           tokens > 0 ? exp(-log_prob / (double)tokens) : 1.0);
  }
  rnnfast_free(model);
  free(line);
  return 0;
}
