/** Reads a server-sent event stream: data events and comments, however the bytes are cut. */

export type SseEvent =
  | { readonly kind: 'data'; readonly data: string }
  | { readonly kind: 'comment'; readonly text: string };

/** One event may be this long, characters; a server that sends more without an end is broken. */
const eventLengthMax = 16_777_216;

/** The events of a body. Throws what reading the body throws, and on an endless event. */
export async function* sseEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<SseEvent> {
  const decoder = new TextDecoder();
  let rest = '';
  let data: string[] = [];
  for await (const bytes of body) {
    rest += decoder.decode(bytes, { stream: true });
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? '';
    if (rest.length > eventLengthMax) throw new Error('the server sent an event without an end');
    for (const line of lines) {
      if (line === '') {
        if (data.length > 0) yield { kind: 'data', data: data.join('\n') };
        data = [];
      } else if (line.startsWith(':')) {
        yield { kind: 'comment', text: line.slice(1).trim() };
      } else if (line.startsWith('data:')) {
        data.push(line.slice(line.startsWith('data: ') ? 6 : 5));
      }
    }
  }
}
