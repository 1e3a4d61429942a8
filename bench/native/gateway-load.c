// Load client of the gateway bench: one thread, epoll, closed loop over CONNECTIONS keep-alive
// connections. Each streamed chunk carries the time at which the mock upstream sent it
// (`@T` + 16 hex digits of CLOCK_MONOTONIC ns), so the client knows each chunk's own delay.
//
//   gateway-load PORT CONNECTIONS MEASURE_S STREAM(0|1) MODEL RAMP_MS WARM_S UPSTREAM_PORT
//
// Prints "measuring" on stderr when the warm-up is over, and one JSON object at the end. Times in
// microseconds. UPSTREAM_PORT goes into the header by which Portkey is told its upstream; every
// target gets the same request. Derived from this project's data plane experiment (`lg.c`).
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

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ull + t.tv_nsec;
}

// Log-linear histogram: 64 buckets per power of two, so below 1.6 % error.
#define SUB 64
struct histogram {
  uint64_t counts[64 * SUB], total, sum, max;
};

static void record(struct histogram *h, uint64_t value) {
  int exponent = value < SUB ? 0 : (63 - __builtin_clzll(value)) - 5;
  int mantissa = exponent ? (value >> exponent) & (SUB - 1) : value;
  h->counts[exponent * SUB + mantissa]++;
  h->total++;
  h->sum += value;
  if (value > h->max) h->max = value;
}

static double quantile_us(const struct histogram *h, double q) {
  if (!h->total) return 0;
  uint64_t target = h->total * q, seen = 0;
  if (target >= h->total) target = h->total - 1;
  for (int i = 0; i < 64 * SUB; i++) {
    seen += h->counts[i];
    if (seen > target) return ((uint64_t)(i % SUB) << (i / SUB)) / 1e3;
  }
  return h->max / 1e3;
}

struct connection {
  int fd;
  int busy;
  int connecting;
  int seen_body;
  int mark_state;   // 0 nothing, 1 after '@', 2 within the digits
  int mark_digits;
  uint64_t mark_value;
  uint64_t sent_at;
  uint64_t start_at;
  struct http_response response;
};

static struct histogram first_byte, chunk_delay, whole;
static struct sockaddr_in address;
static char request[8192];
static int request_length, poll_fd, measuring;
static uint64_t errors, requests, chunks, received, not_ok, deadline;

static void open_connection(struct connection *c) {
  c->busy = 0;
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  int on = 1;
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(c->fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS) {
    errors++;
    close(c->fd);
    c->fd = -1;
    return;
  }
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
  epoll_ctl(poll_fd, EPOLL_CTL_ADD, c->fd, &event);
  c->connecting = 1;
}

static void send_request(struct connection *c) {
  http_begin(&c->response);
  c->mark_state = 0;
  c->seen_body = 0;
  c->busy = 1;
  c->sent_at = now_ns();
  if (send(c->fd, request, request_length, MSG_NOSIGNAL) != request_length) errors++;
}

static void reopen(struct connection *c) {
  if (c->fd >= 0) close(c->fd);
  open_connection(c);
}

static void finish(struct connection *c) {
  uint64_t now = now_ns();
  c->busy = 0;
  if (c->response.status != 200) {
    if (not_ok++ == 0) fprintf(stderr, "first answer that is not 200:\n%s\n", c->response.head);
  } else if (measuring) {
    requests++;
    record(&whole, now - c->sent_at);
  }
  if (c->response.close_after) reopen(c);
  else if (now < deadline) send_request(c);
}

static void take_body(void *user, const char *p, long count, uint64_t now) {
  struct connection *c = user;
  const char *end = p + count;
  if (!c->seen_body) {
    c->seen_body = 1;
    if (measuring) record(&first_byte, now - c->sent_at);
  }
  while (p < end) {
    if (c->mark_state == 0) {
      p = memchr(p, '@', end - p);
      if (!p) return;
      c->mark_state = 1;
      p++;
    } else if (c->mark_state == 1) {
      c->mark_state = *p == 'T' ? 2 : 0;
      c->mark_digits = 0;
      c->mark_value = 0;
      if (c->mark_state) p++;
    } else {
      c->mark_value = c->mark_value << 4 | (uint64_t)http_hex(*p++);
      if (++c->mark_digits < 16) continue;
      c->mark_state = 0;
      if (!measuring) continue;
      chunks++;
      record(&chunk_delay, now > c->mark_value ? now - c->mark_value : 0);
    }
  }
}

static void receive(struct connection *c) {
  static char buffer[65536];
  ssize_t got = recv(c->fd, buffer, sizeof buffer, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    if (c->busy && c->response.state == HTTP_UNTIL_CLOSE) {
      finish(c);
    } else {
      if (c->busy) errors++;
      reopen(c);
    }
    return;
  }
  if (measuring) received += got;
  if (!c->busy) return;
  http_feed(&c->response, buffer, got, take_body, c, now_ns());
  if (c->response.state == HTTP_BROKEN) {
    errors++;
    reopen(c);
  } else if (c->response.state == HTTP_DONE) {
    finish(c);
  }
}

static void make_request(int port, int stream, const char *model, const char *upstream_port) {
  char filler[401], body[2048];
  memset(filler, 'x', 400);
  filler[400] = 0;
  int length = snprintf(
      body, sizeof body,
      "{\"model\":\"%s\",\"messages\":[{\"role\":\"system\",\"content\":\"You are a helpful "
      "assistant.\"},{\"role\":\"user\",\"content\":\"%s\"}],\"temperature\":0.7,"
      "\"max_tokens\":256,\"stream\":%s}",
      model, filler, stream ? "true,\"stream_options\":{\"include_usage\":true}" : "false");
  request_length = snprintf(
      request, sizeof request,
      "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
      "Content-Type: application/json\r\nAuthorization: Bearer sk-test-key-000042\r\n"
      "x-portkey-provider: openai\r\nx-portkey-custom-host: http://127.0.0.1:%s/v1\r\n"
      "User-Agent: OpenAI/Python 1.50\r\nAccept: */*\r\nContent-Length: %d\r\n\r\n%s",
      port, upstream_port, length, body);
}

static void report(double elapsed) {
  printf(
      "{\"elapsedS\":%.3f,\"requests\":%llu,\"requestsPerS\":%.1f,\"chunks\":%llu,"
      "\"chunksPerS\":%.1f,\"megabytesPerS\":%.2f,\"ttftP50\":%.1f,\"ttftP99\":%.1f,"
      "\"chunkP50\":%.1f,\"chunkP99\":%.1f,\"totalP50\":%.1f,\"totalP99\":%.1f,"
      "\"errors\":%llu,\"notOk\":%llu}\n",
      elapsed, (unsigned long long)requests, requests / elapsed, (unsigned long long)chunks,
      chunks / elapsed, received / elapsed / 1e6, quantile_us(&first_byte, .5),
      quantile_us(&first_byte, .99), quantile_us(&chunk_delay, .5), quantile_us(&chunk_delay, .99),
      quantile_us(&whole, .5), quantile_us(&whole, .99), (unsigned long long)errors,
      (unsigned long long)not_ok);
}

int main(int argc, char **argv) {
  if (argc != 9) {
    fprintf(stderr, "gateway-load PORT CONNECTIONS MEASURE_S STREAM MODEL RAMP_MS WARM_S UPSTREAM\n");
    return 2;
  }
  struct rlimit files = {20000, 20000};
  setrlimit(RLIMIT_NOFILE, &files);
  int port = atoi(argv[1]), count = atoi(argv[2]);
  double measure_s = atof(argv[3]), ramp_ms = atof(argv[6]), warm_s = atof(argv[7]);
  make_request(port, atoi(argv[4]), argv[5], argv[8]);
  address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  poll_fd = epoll_create1(0);
  struct connection *all = calloc(count, sizeof *all);
  uint64_t begin = now_ns(), measure_from = begin + (uint64_t)(warm_s * 1e9), measured_from = 0;
  deadline = measure_from + (uint64_t)(measure_s * 1e9);
  for (int i = 0; i < count; i++) {
    all[i].fd = -1;
    all[i].start_at = begin + (uint64_t)(ramp_ms * 1e6 * i / count);
  }
  struct epoll_event events[512];
  for (int started = 0;;) {
    uint64_t now = now_ns();
    if (now >= deadline) break;
    if (!measuring && now >= measure_from) {
      measuring = 1;
      measured_from = now;
      fprintf(stderr, "measuring\n");
    }
    while (started < count && all[started].start_at <= now) open_connection(&all[started++]);
    int ready = epoll_wait(poll_fd, events, 512, started < count ? 1 : 20);
    for (int i = 0; i < ready; i++) {
      struct connection *c = events[i].data.ptr;
      if (c->connecting && (events[i].events & EPOLLOUT)) {
        c->connecting = 0;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(poll_fd, EPOLL_CTL_MOD, c->fd, &event);
        send_request(c);
      }
      if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(c);
    }
  }
  report((now_ns() - measured_from) / 1e9);
  return 0;
}
