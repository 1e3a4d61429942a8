/** A small OpenAI-compatible server whose answers a test scripts. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface FakeApi {
  /** Ends in `/v1`. */
  readonly url: string;
  /** Bodies of the completions asked for, in order. */
  readonly asked: { model: string; messages: { role: string; content: string }[] }[];
  /** Headers of the last completion asked for. */
  lastHeaders(): IncomingMessage['headers'];
  /** Resolves when a caller has left before its answer was complete. */
  readonly left: Promise<void>;
  close(): Promise<void>;
}

/** Answers one question; the response has status 200 and an event stream unless it says else. */
export type Script = (question: string, response: ServerResponse) => void;

export async function startFakeApi(script: Script): Promise<FakeApi> {
  const asked: FakeApi['asked'] = [];
  let headers: IncomingMessage['headers'] = {};
  const { promise: left, resolve: leave } = Promise.withResolvers<void>();
  const server = createServer((request, response) => {
    if (request.url === '/v1/models') {
      response.end(JSON.stringify({ object: 'list', data: [{ id: 'm-1' }, { id: 'm-2' }] }));
      return;
    }
    if (request.url !== '/v1/chat/completions') {
      response.writeHead(404).end();
      return;
    }
    response.on('close', () => {
      if (!response.writableEnded) leave();
    });
    headers = request.headers;
    let text = '';
    request.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    request.on('end', () => {
      const body = JSON.parse(text) as FakeApi['asked'][number];
      asked.push(body);
      script(body.messages.at(-1)?.content ?? '', response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    asked,
    lastHeaders: () => headers,
    left,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

/** One chunk of an answer as an event. */
export function chunk(delta: Record<string, string>, finish: string | null = null): string {
  const choices = [{ index: 0, delta, finish_reason: finish }];
  return `data: ${JSON.stringify({ object: 'chat.completion.chunk', choices })}\n\n`;
}

/** A whole answer with a thought. */
export const thoughtAndAnswer: Script = (question, response) => {
  response.write(': queued position=3 eta_ms=1200\n\n');
  response.write(chunk({ role: 'assistant', content: '' }));
  response.write(chunk({ reasoning_content: 'hmm ' }) + chunk({ reasoning_content: question }));
  response.write(chunk({ content: 'It is ' }) + chunk({ content: '42.' }));
  response.end(`${chunk({}, 'stop')}data: [DONE]\n\n`);
};
