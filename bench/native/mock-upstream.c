// An OpenAI-shaped upstream that is not the bottleneck: one thread, epoll, one write per chunk.
//
//   mock-upstream LIFE_S PORT [MODEL ...]
//
// The model's name says the answer's shape: `m-CHUNKS-INTERVAL_US`. Each chunk's content is `@T` and
// the time at which it was sent (16 hex digits of CLOCK_MONOTONIC ns). GET /v1/models lists the
// MODELs given; other GETs are 404. It ends by itself after LIFE_S seconds. Derived from this
// project's data plane experiment (`mock.c`); new here: the model list, the asked-for model echoed
// in the answer, and usage as OpenAI sends it (a chunk of its own, only when asked for).
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MODEL_MAX 64
#define FD_MAX 65536

struct connection {
  int fd;
  int length, capacity;  // of the request bytes held
  char *bytes;
  int streaming, head_sent, wants_usage, chunks_left;
  uint64_t interval_ns, due_ns;
  char model[MODEL_MAX];
};

static struct connection *by_fd[FD_MAX];
static char model_list[4096];

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ull + t.tv_nsec;
}

// Binary heap of streams by the time at which their next chunk is due.
static struct connection *heap[FD_MAX];
static int heap_size, heap_at[FD_MAX];

static void heap_swap(int a, int b) {
  struct connection *c = heap[a];
  heap[a] = heap[b];
  heap[b] = c;
  heap_at[heap[a]->fd] = a;
  heap_at[heap[b]->fd] = b;
}

static void heap_up(int i) {
  for (; i && heap[(i - 1) / 2]->due_ns > heap[i]->due_ns; i = (i - 1) / 2) heap_swap(i, (i - 1) / 2);
}

static void heap_down(int i) {
  for (;;) {
    int left = 2 * i + 1, right = left + 1, least = i;
    if (left < heap_size && heap[left]->due_ns < heap[least]->due_ns) least = left;
    if (right < heap_size && heap[right]->due_ns < heap[least]->due_ns) least = right;
    if (least == i) return;
    heap_swap(i, least);
    i = least;
  }
}

static void heap_push(struct connection *c) {
  heap[heap_size] = c;
  heap_at[c->fd] = heap_size;
  heap_up(heap_size++);
}

static void heap_remove(struct connection *c) {
  int i = heap_at[c->fd];
  if (i < 0) return;
  heap_swap(i, --heap_size);
  heap_at[c->fd] = -1;
  if (i < heap_size) {
    heap_up(i);
    heap_down(i);
  }
}

static void drop(struct connection *c) {
  heap_remove(c);
  by_fd[c->fd] = NULL;
  close(c->fd);
  free(c->bytes);
  free(c);
}

// The socket's buffer holds far more than one chunk; when it is full, wait a little.
static void send_all(struct connection *c, const char *bytes, int count) {
  while (count > 0) {
    int sent = send(c->fd, bytes, count, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) {
      usleep(50);
      continue;
    }
    if (sent < 0) return;
    bytes += sent;
    count -= sent;
  }
}

static int framed(char *out, const char *payload, int length) {
  int used = sprintf(out, "%x\r\n", length);
  memcpy(out + used, payload, length);
  memcpy(out + used + length, "\r\n", 2);
  return used + length + 2;
}

#define CHUNK_START                                                               \
  "data: {\"id\":\"chatcmpl-9aBcDeFgHiJkLmNoPq\",\"object\":\"chat.completion.chunk\"," \
  "\"created\":1700000000,\"model\":\"%s\",\"choices\":["
#define USAGE "{\"prompt_tokens\":112,\"completion_tokens\":100,\"total_tokens\":212}"

static void send_chunk(struct connection *c) {
  char out[2048], payload[768];
  int used = 0;
  if (!c->head_sent) {
    used = sprintf(out,
                   "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                   "Cache-Control: no-cache\r\nx-request-id: req_0123456789\r\n"
                   "Transfer-Encoding: chunked\r\n\r\n");
    c->head_sent = 1;
  }
  int last = --c->chunks_left == 0;
  int length = sprintf(payload,
                       CHUNK_START "{\"index\":0,\"delta\":{\"content\":\"@T%016llx\"},"
                                   "\"finish_reason\":%s}]}\n\n",
                       c->model, (unsigned long long)now_ns(), last ? "\"stop\"" : "null");
  used += framed(out + used, payload, length);
  if (last) {
    if (c->wants_usage) {
      length = sprintf(payload, CHUNK_START "],\"usage\":" USAGE "}\n\n", c->model);
      used += framed(out + used, payload, length);
    }
    used += framed(out + used, "data: [DONE]\n\n", 14);
    used += sprintf(out + used, "0\r\n\r\n");
    c->streaming = 0;
  }
  send_all(c, out, used);
}

static void send_json(struct connection *c, const char *status, const char *json) {
  char out[8192];
  int used = snprintf(out, sizeof out,
                      "HTTP/1.1 %s\r\nContent-Type: application/json\r\n"
                      "x-request-id: req_0123456789\r\nContent-Length: %d\r\n\r\n%s",
                      status, (int)strlen(json), json);
  send_all(c, out, used);
}

static void send_whole(struct connection *c) {
  static char content[641];
  if (!content[0]) memset(content, 'a', 640);
  char json[2048];
  snprintf(json, sizeof json,
           "{\"id\":\"chatcmpl-9aBcDeFgHiJkLmNoPq\",\"object\":\"chat.completion\","
           "\"created\":1700000000,\"model\":\"%s\",\"choices\":[{\"index\":0,\"message\":"
           "{\"role\":\"assistant\",\"content\":\"%s\"},\"logprobs\":null,"
           "\"finish_reason\":\"stop\"}],\"usage\":" USAGE
           ",\"system_fingerprint\":\"fp_0123456789\"}",
           c->model, content);
  send_json(c, "200 OK", json);
}

// `body` is terminated by a zero byte.
static void answer(struct connection *c, const char *body) {
  const char *model = strstr(body, "\"m-");
  int chunks = 40;
  long interval_us = 0;
  strcpy(c->model, "m-40-0");
  if (model) {
    sscanf(model + 1, "m-%d-%ld", &chunks, &interval_us);
    snprintf(c->model, sizeof c->model, "m-%d-%ld", chunks, interval_us);
  }
  if (!strstr(body, "\"stream\":true") && !strstr(body, "\"stream\": true")) {
    send_whole(c);
    return;
  }
  c->wants_usage =
      strstr(body, "\"include_usage\":true") || strstr(body, "\"include_usage\": true");
  c->chunks_left = chunks > 0 ? chunks : 1;
  c->interval_ns = interval_us * 1000ull;
  c->streaming = 1;
  c->head_sent = 0;
  c->due_ns = now_ns();
  heap_push(c);
}

// Bytes used by the first whole request held, after answering it; 0 when it is not whole yet.
static int take_request(struct connection *c) {
  char *end = memmem(c->bytes, c->length, "\r\n\r\n", 4);
  if (!end) return 0;
  int head = end - c->bytes + 4, used;
  *end = 0;
  char *length = strcasestr(c->bytes, "\ncontent-length:");
  char *coding = strcasestr(c->bytes, "\ntransfer-encoding:");
  *end = '\r';
  if (coding) {
    char *last = memmem(c->bytes + head, c->length - head, "0\r\n\r\n", 5);
    if (!last) return 0;
    used = last - c->bytes + 5;
  } else {
    used = head + (length ? atoi(length + 16) : 0);
    if (c->length < used) return 0;
  }
  char saved = c->bytes[used];
  c->bytes[used] = 0;
  if (!strncmp(c->bytes, "GET ", 4)) {
    int models = !strncmp(c->bytes + 4, "/v1/models ", 11);
    send_json(c, models ? "200 OK" : "404 Not Found", models ? model_list : "{\"error\":\"none\"}");
  } else {
    answer(c, c->bytes + head);
  }
  c->bytes[used] = saved;
  return used;
}

static void receive(struct connection *c) {
  if (c->length + 1025 > c->capacity) c->bytes = realloc(c->bytes, c->capacity *= 2);
  int got = recv(c->fd, c->bytes + c->length, c->capacity - c->length - 1, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    drop(c);
    return;
  }
  c->length += got;
  for (int used; !c->streaming && (used = take_request(c)) > 0;) {
    memmove(c->bytes, c->bytes + used, c->length - used);
    c->length -= used;
  }
}

static void accept_all(int listener, int poll_fd) {
  for (int fd; (fd = accept4(listener, 0, 0, SOCK_NONBLOCK)) >= 0;) {
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct connection *c = calloc(1, sizeof *c);
    c->fd = fd;
    c->bytes = malloc(c->capacity = 2048);
    by_fd[fd] = c;
    heap_at[fd] = -1;
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.fd = fd};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event);
  }
}

// Sends what is due, each stream at most once and 256 in all, so that reads are not starved.
static void send_due(void) {
  uint64_t now = now_ns();
  for (int i = 0; i < 256 && heap_size && heap[0]->due_ns <= now; i++) {
    struct connection *c = heap[0];
    send_chunk(c);
    if (!c->streaming) {
      heap_remove(c);
    } else {
      c->due_ns = c->interval_ns ? c->due_ns + c->interval_ns : now_ns();
      heap_down(0);
    }
  }
}

static void list_models(char **names, int count) {
  int used = sprintf(model_list, "{\"object\":\"list\",\"data\":[");
  for (int i = 0; i < count; i++) {
    used += snprintf(model_list + used, sizeof model_list - used,
                     "%s{\"id\":\"%s\",\"object\":\"model\",\"created\":1700000000,"
                     "\"owned_by\":\"mock\"}",
                     i ? "," : "", names[i]);
  }
  snprintf(model_list + used, sizeof model_list - used, "]}");
}

int main(int argc, char **argv) {
  if (argc < 3 || argc > 32) {
    fprintf(stderr, "mock-upstream LIFE_S PORT [MODEL ...]\n");
    return 2;
  }
  struct rlimit files = {20000, 20000};
  setrlimit(RLIMIT_NOFILE, &files);
  list_models(argv + 3, argc - 3);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) {
    perror("mock-upstream");
    return 1;
  }
  int poll_fd = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[512];
  epoll_ctl(poll_fd, EPOLL_CTL_ADD, listener, &event);
  uint64_t end = now_ns() + strtoull(argv[1], 0, 10) * 1000000000ull;
  while (now_ns() < end) {
    send_due();
    int wait_ms = 1000;
    if (heap_size) {
      int64_t wait_ns = (int64_t)heap[0]->due_ns - (int64_t)now_ns();
      wait_ms = wait_ns <= 0 ? 0 : wait_ns / 1000000 + (wait_ns < 1000000);
    }
    int ready = epoll_wait(poll_fd, events, 512, wait_ms);
    for (int i = 0; i < ready; i++) {
      int fd = events[i].data.fd;
      if (fd == listener) accept_all(listener, poll_fd);
      else if (by_fd[fd]) receive(by_fd[fd]);
    }
  }
  return 0;
}
