/**
 * What cannot be parsed as HTTP, or does not arrive whole, has no request to answer on: the answer is
 * written to the socket by hand, in the form that most callers here expect, and ends the connection.
 */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** `error` is what node:http says of the connection; a reset is only cleaned up after. */
export function refuseUnparsed(
  error: Error & { code?: string },
  socket: Socket,
  options: { readonly headerBytesMax: number; readonly newRequestId: () => string },
): void {
  const responding = (socket as { _httpMessage?: ServerResponse })._httpMessage;
  if (!socket.writable || error.code === 'ECONNRESET' || responding?.headersSent) {
    socket.destroy();
    return;
  }
  const [status, code, message] = unparsedStatus(error.code, options.headerBytesMax);
  const body = JSON.stringify({
    error: { message, type: 'invalid_request_error', param: null, code },
  });
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\nconnection: close\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nx-request-id: ${options.newRequestId()}\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}

function unparsedStatus(
  code: string | undefined,
  headerBytesMax: number,
): [string, string, string] {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return [
        '431 Request Header Fields Too Large',
        'too_large',
        `the head of the request has more than ${headerBytesMax} bytes`,
      ];
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return ['408 Request Timeout', 'invalid_request', 'the request had not come whole in time'];
    default:
      return ['400 Bad Request', 'invalid_request', 'this is not a valid HTTP/1.1 request'];
  }
}
