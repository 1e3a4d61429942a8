// Incremental reader of HTTP/1.1 responses for the load clients: content-length, chunked and
// close-delimited bodies, any split of the input. It trusts its peer: this is a measuring tool.
#ifndef HTTP_RESPONSE_H
#define HTTP_RESPONSE_H
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum http_state {
  HTTP_HEAD,
  HTTP_SIZE,
  HTTP_SIZE_EXTENSION,
  HTTP_CHUNK,
  HTTP_CHUNK_END,
  HTTP_TRAILER,
  HTTP_LENGTH,
  HTTP_UNTIL_CLOSE,
  HTTP_DONE,
  HTTP_BROKEN,
};

struct http_response {
  enum http_state state;
  int status;
  int close_after;  // the peer will close this connection
  int line_length;  // of the trailer line being read
  long remaining;
  int head_length;
  char head[8192];
};

typedef void (*http_body)(void *user, const char *bytes, long count, uint64_t now_ns);

static inline void http_begin(struct http_response *r) {
  r->state = HTTP_HEAD;
  r->status = 0;
  r->close_after = 0;
  r->head_length = 0;
}

// Takes head bytes; returns how many of the input it used.
static long http_take_head(struct http_response *r, const char *bytes, long count) {
  long room = (long)sizeof r->head - 1 - r->head_length;
  long taken = count < room ? count : room;
  int before = r->head_length;
  memcpy(r->head + before, bytes, taken);
  r->head_length += taken;
  r->head[r->head_length] = 0;
  char *end = strstr(r->head, "\r\n\r\n");
  if (!end) {
    if (taken < count) r->state = HTTP_BROKEN;
    return count;
  }
  end[2] = 0;
  r->status = atoi(r->head + 9);
  r->remaining = 0;
  char *length = strcasestr(r->head, "\ncontent-length:");
  if (strcasestr(r->head, "\nconnection: close")) r->close_after = 1;
  if (strcasestr(r->head, "\ntransfer-encoding: chunked")) {
    r->state = HTTP_SIZE;
  } else if (length) {
    r->remaining = atol(length + 16);
    r->state = r->remaining ? HTTP_LENGTH : HTTP_DONE;
  } else {
    r->state = HTTP_UNTIL_CLOSE;
    r->close_after = 1;
  }
  return (end + 4 - r->head) - before;
}

static inline int http_hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 32;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Reads until the input or the response ends; body bytes go to `body`. Returns bytes used.
static long http_feed(struct http_response *r, const char *bytes, long count, http_body body,
                      void *user, uint64_t now_ns) {
  const char *p = bytes, *end = bytes + count;
  while (p < end && r->state < HTTP_DONE) {
    long left = end - p;
    switch (r->state) {
      case HTTP_HEAD:
        p += http_take_head(r, p, left);
        break;
      case HTTP_SIZE:
      case HTTP_SIZE_EXTENSION: {
        char c = *p++;
        if (c == '\n') {
          r->line_length = 0;
          r->state = r->remaining ? HTTP_CHUNK : HTTP_TRAILER;
        } else if (c == ';') {
          r->state = HTTP_SIZE_EXTENSION;
        } else if (r->state == HTTP_SIZE && c != '\r') {
          int digit = http_hex(c);
          if (digit < 0) r->state = HTTP_BROKEN;
          r->remaining = r->remaining * 16 + digit;
        }
        break;
      }
      case HTTP_CHUNK:
      case HTTP_LENGTH: {
        long part = left < r->remaining ? left : r->remaining;
        body(user, p, part, now_ns);
        p += part;
        r->remaining -= part;
        if (!r->remaining) r->state = r->state == HTTP_CHUNK ? HTTP_CHUNK_END : HTTP_DONE;
        break;
      }
      case HTTP_CHUNK_END: {
        char c = *p++;
        if (c == '\n') {
          r->state = HTTP_SIZE;
          r->remaining = 0;
        } else if (c != '\r') {
          r->state = HTTP_BROKEN;
        }
        break;
      }
      case HTTP_TRAILER: {
        char c = *p++;
        if (c == '\n' && r->line_length == 0) r->state = HTTP_DONE;
        else if (c == '\n') r->line_length = 0;
        else if (c != '\r') r->line_length++;
        break;
      }
      case HTTP_UNTIL_CLOSE:
        body(user, p, left, now_ns);
        p = end;
        break;
      default:
        return p - bytes;
    }
  }
  return p - bytes;
}

#endif
