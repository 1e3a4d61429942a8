// Load client of the engine bench: STREAMS connections, each sending REQUESTS streamed requests one
// after the other, all streams starting together. One thread and a few system calls per token, so
// that it takes little of the cores that the server under test also needs.
//
//   generation-load PORT STREAMS REQUESTS BODIES_FILE LIMIT_S
//
// BODIES_FILE holds one JSON body per line, used in turn. Prints one JSON object: wall time from
// the first request to the last answer, the client's own CPU time, and per request [status,
// prompt tokens, completion tokens, ms to first text, ms in all]. Tokens are the server's own
// `usage`; `resent` counts requests that met a closing connection. Ends with exit code 1 when not everything was answered within LIMIT_S.
#include "http-response.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TAIL 4096

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ull + t.tv_nsec;
}

struct answer {
  int status;
  long prompt_tokens, completion_tokens;
  double first_ms, total_ms;
};

struct stream {
  int fd;
  int index, request;  // this stream; its current request
  int matched;         // of `marker`, then waiting for the opening quote and a character
  int has_text;
  int fresh;  // nothing has been answered on this connection yet
  uint64_t sent_at, first_at;
  int tail_length;
  char tail[2 * TAIL];  // the end of the body, where usage is
  struct http_response response;
};

static struct sockaddr_in address;
static char **bodies;
static int body_count, requests_per_stream, poll_fd, done_count, resent;
static struct answer *answers;

// The first text is the first `content":"x` or `reasoning_content":"x`, x not being a quote.
static void look_for_text(struct stream *s, const char *bytes, long count, uint64_t now) {
  static const char marker[] = "content\":";
  const int whole = sizeof marker - 1;
  for (long i = 0; i < count && !s->has_text; i++) {
    char c = bytes[i];
    if (s->matched < whole) {
      s->matched = c == marker[s->matched] ? s->matched + 1 : c == marker[0];
    } else if (s->matched == whole) {
      if (c == '"') s->matched++;
      else if (c != ' ') s->matched = 0;
    } else {
      s->matched = 0;
      s->has_text = c != '"';
      if (s->has_text) s->first_at = now;
    }
  }
}

static void keep_tail(struct stream *s, const char *bytes, long count) {
  if (count >= TAIL) {
    bytes += count - TAIL;
    count = TAIL;
    s->tail_length = 0;
  }
  if (s->tail_length + count >= 2 * TAIL) {
    int keep = TAIL - count;
    memmove(s->tail, s->tail + s->tail_length - keep, keep);
    s->tail_length = keep;
  }
  memcpy(s->tail + s->tail_length, bytes, count);
  s->tail_length += count;
}

static void take_body(void *user, const char *bytes, long count, uint64_t now) {
  struct stream *s = user;
  if (!s->has_text) look_for_text(s, bytes, count, now);
  keep_tail(s, bytes, count);
}

static long number_after(const struct stream *s, const char *name) {
  char *found = memmem(s->tail, s->tail_length, name, strlen(name));
  return found ? atol(found + strlen(name)) : -1;
}

static int send_current(struct stream *s, int port) {
  static char out[65536];
  const char *body = bodies[(s->index * requests_per_stream + s->request) % body_count];
  int length = snprintf(out, sizeof out,
                        "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                        "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                        port, strlen(body), body);
  http_begin(&s->response);
  s->matched = s->has_text = s->tail_length = 0;
  s->first_at = 0;
  return length < (int)sizeof out && send(s->fd, out, length, MSG_NOSIGNAL) == length;
}

static int send_next(struct stream *s, int port) {
  s->sent_at = now_ns();
  return send_current(s, port);
}

static int open_stream(struct stream *s) {
  s->fresh = 1;
  s->fd = socket(AF_INET, SOCK_STREAM, 0);
  int on = 1;
  setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(s->fd, (struct sockaddr *)&address, sizeof address) < 0) return 0;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
  return epoll_ctl(poll_fd, EPOLL_CTL_ADD, s->fd, &event) == 0;
}

static int finish(struct stream *s, int port) {
  uint64_t now = now_ns();
  s->tail[s->tail_length] = 0;
  struct answer *a = &answers[s->index * requests_per_stream + s->request];
  a->status = s->response.status;
  a->prompt_tokens = number_after(s, "\"prompt_tokens\":");
  a->completion_tokens = number_after(s, "\"completion_tokens\":");
  a->first_ms = s->has_text ? (s->first_at - s->sent_at) / 1e6 : -1;
  a->total_ms = (now - s->sent_at) / 1e6;
  done_count++;
  s->fresh = 0;
  if (a->status != 200) fprintf(stderr, "answer %d: %s\n", a->status, s->tail);
  int again = ++s->request < requests_per_stream;
  if (!again || s->response.close_after) close(s->fd);
  if (!again) return 1;
  if (s->response.close_after && !open_stream(s)) return 0;
  return send_next(s, port);
}

// A server may close a kept connection just as the next request arrives on it, and llama-server
// does. As HTTP clients do, send it once more on a fresh one; the request's time runs on.
static int resend(struct stream *s, int port) {
  if (s->fresh || s->response.head_length > 0) return 0;
  resent++;
  close(s->fd);
  return open_stream(s) && send_current(s, port);
}

// False when the stream is broken.
static int receive(struct stream *s, int port) {
  static char buffer[65536];
  ssize_t got = recv(s->fd, buffer, sizeof buffer, MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return 1;
  if (got <= 0) {
    if (s->response.state != HTTP_UNTIL_CLOSE) return resend(s, port);
    s->response.state = HTTP_DONE;
  } else {
    http_feed(&s->response, buffer, got, take_body, s, now_ns());
  }
  if (s->response.state == HTTP_BROKEN) return 0;
  return s->response.state == HTTP_DONE ? finish(s, port) : 1;
}

static int read_bodies(const char *path) {
  FILE *file = fopen(path, "r");
  if (!file) return 0;
  char *line = NULL;
  size_t capacity = 0;
  for (ssize_t length; (length = getline(&line, &capacity, file)) > 0;) {
    if (line[length - 1] == '\n') line[length - 1] = 0;
    if (!line[0]) continue;
    bodies = realloc(bodies, (body_count + 1) * sizeof *bodies);
    bodies[body_count++] = strdup(line);
  }
  fclose(file);
  return body_count > 0;
}

static void report(double elapsed_s, int total) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  double cpu = used.ru_utime.tv_sec + used.ru_stime.tv_sec +
               (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
  printf("{\"elapsedS\":%.4f,\"clientCpuS\":%.4f,\"unanswered\":%d,\"resent\":%d,\"answers\":[",
         elapsed_s, cpu, total - done_count, resent);
  for (int i = 0; i < total; i++) {
    struct answer *a = &answers[i];
    printf("%s[%d,%ld,%ld,%.3f,%.3f]", i ? "," : "", a->status, a->prompt_tokens,
           a->completion_tokens, a->first_ms, a->total_ms);
  }
  printf("]}\n");
}

int main(int argc, char **argv) {
  if (argc != 6 || !read_bodies(argv[4])) {
    fprintf(stderr, "generation-load PORT STREAMS REQUESTS BODIES_FILE LIMIT_S\n");
    return 2;
  }
  int port = atoi(argv[1]), count = atoi(argv[2]);
  requests_per_stream = atoi(argv[3]);
  address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  poll_fd = epoll_create1(0);
  int total = count * requests_per_stream;
  answers = calloc(total, sizeof *answers);
  struct stream *streams = calloc(count, sizeof *streams);
  for (int i = 0; i < count; i++) {
    streams[i].index = i;
    if (!open_stream(&streams[i])) {
      perror("connect");
      return 1;
    }
  }
  uint64_t begin = now_ns(), limit = begin + (uint64_t)(atof(argv[5]) * 1e9);
  int broken = 0;
  for (int i = 0; i < count; i++) broken += !send_next(&streams[i], port);
  struct epoll_event events[256];
  while (done_count < total && !broken && now_ns() < limit) {
    int ready = epoll_wait(poll_fd, events, 256, 100);
    for (int i = 0; i < ready; i++) broken += !receive(events[i].data.ptr, port);
  }
  report((now_ns() - begin) / 1e9, total);
  return done_count < total;
}
