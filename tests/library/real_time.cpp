// Steps, blocks, resets and refused calls of streams, with memory and locks watched, then where
// every system call but write ends the process.
#include <dlfcn.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <vector>

#include "rnnfast/rnnfast.h"

#if defined(__has_feature)
  #if __has_feature(realtime_sanitizer)
    #define NONBLOCKING [[clang::nonblocking]]
    #define WATCHED_BY_SANITIZER 1
  #endif
#endif
#ifndef NONBLOCKING
  #define NONBLOCKING
#endif

static volatile int calls = 0;

#ifndef WATCHED_BY_SANITIZER
// The program's own are those that libraries call too.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);
void* malloc(std::size_t n) {
  ++calls;
  return __libc_malloc(n);
}
void* calloc(std::size_t n, std::size_t size) {
  ++calls;
  return __libc_calloc(n, size);
}
void* realloc(void* old, std::size_t n) {
  ++calls;
  return __libc_realloc(old, n);
}
int posix_memalign(void** to, std::size_t alignment, std::size_t n) {
  ++calls;
  *to = __libc_memalign(alignment, n);
  return *to == nullptr;
}
void* aligned_alloc(std::size_t alignment, std::size_t n) {
  ++calls;
  return __libc_memalign(alignment, n);
}
void free(void* old) {
  ++calls;
  __libc_free(old);
}
int pthread_mutex_lock(pthread_mutex_t* mutex) {
  ++calls;
  using Lock = int (*)(pthread_mutex_t*);
  static Lock next = reinterpret_cast<Lock>(dlsym(RTLD_NEXT, "pthread_mutex_lock"));
  return next(mutex);
}
int pthread_mutex_trylock(pthread_mutex_t* mutex) {
  ++calls;
  using Lock = int (*)(pthread_mutex_t*);
  static Lock next = reinterpret_cast<Lock>(dlsym(RTLD_NEXT, "pthread_mutex_trylock"));
  return next(mutex);
}
}
#endif

struct Thread {
  rnnfast_stream* stream;
  bool ids;
  std::vector<float> x, y, state;
  std::vector<std::int64_t> tokens;
};

static bool block(Thread& thread) NONBLOCKING {
  bool right = true;
  for (int t = 0; t < 3 && right; ++t)
    right =
        thread.ids
            ? rnnfast_step_ids(thread.stream, thread.tokens.data(), thread.y.data()) == RNNFAST_OK
            : rnnfast_step(thread.stream, thread.x.data(), thread.y.data()) == RNNFAST_OK &&
                  rnnfast_run(thread.stream, 4, thread.x.data(), thread.y.data()) == RNNFAST_OK;
  right = right && rnnfast_get_state(thread.stream, thread.state.data()) == RNNFAST_OK &&
          rnnfast_set_state(thread.stream, thread.state.data()) == RNNFAST_OK;
  right = right && rnnfast_step(thread.stream, nullptr, thread.y.data()) != RNNFAST_OK;
  const float kept = thread.x[0];
  thread.x[0] = std::numeric_limits<float>::quiet_NaN();
  right = right && rnnfast_step(thread.stream, thread.x.data(), thread.y.data()) != RNNFAST_OK;
  thread.x[0] = kept;
  return right && rnnfast_reset(thread.stream) == RNNFAST_OK;
}

static void say(const char* text) {
  if (write(1, text, std::strlen(text)) < 0) syscall(SYS_exit, 3);
}

int main(int count, char** arguments) {
  std::vector<Thread> threads;
  for (int i = 1; i < count; ++i)
    for (const std::int64_t B : {1, 3}) {
      rnnfast_model* model = nullptr;
      Thread thread = {};
      if (rnnfast_load(arguments[i], &model) != RNNFAST_OK ||
          rnnfast_stream_create(model, B, &thread.stream) != RNNFAST_OK) {
        std::printf("%s: %s\n", arguments[i], rnnfast_last_error());
        return 1;
      }
      thread.ids = rnnfast_takes_numbers(model) == 0;
      thread.x.assign(static_cast<std::size_t>(4 * B * rnnfast_input_size(model)), 0.25F);
      thread.y.resize(static_cast<std::size_t>(4 * B * rnnfast_output_size(model)));
      thread.state.resize(static_cast<std::size_t>(rnnfast_state_size(thread.stream)));
      thread.tokens.assign(static_cast<std::size_t>(B), 1);
      threads.push_back(std::move(thread));
    }
  calls = 0;
  for (Thread& thread : threads)
    if (!block(thread)) {
      std::printf("a step failed\n");
      return 1;
    }
  if (calls != 0) {
    std::printf("expected no memory and no locks, got %d calls\n", calls);
    return 1;
  }
#ifndef WATCHED_BY_SANITIZER
  if (prctl(PR_SET_SECCOMP, 1 /* SECCOMP_MODE_STRICT */) != 0) {
    say("no seccomp\n");
    return 0;
  }
  for (Thread& thread : threads)
    if (!block(thread)) say("a step failed\n");
  say("no system call\n");
  syscall(SYS_exit, 0);
#endif
  return 0;
}
