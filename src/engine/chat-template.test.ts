import assert from 'node:assert/strict';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { pocketModelPath } from '../../test/fixtures/llama-addon.ts';
import type { ChatMessage } from '../protocol/generation.ts';
import { createChatTemplate } from './chat-template.ts';
import { readGguf } from './gguf.ts';

const chatMl = `{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`;

const llama3 = `{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}`;

const mistral = `{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'] + eos_token}}{% endif %}{% endfor %}`;

const withTools = `{% if tools %}TOOLS {{ tools | tojson }}\n{% endif %}{% for message in messages %}{{ message.role }}: {{ message.content }}{% if message.tool_calls is defined %}{% for call in message.tool_calls %}[{{ call.function.name }} {{ call.function.arguments | tojson }}]{% endfor %}{% endif %}\n{% endfor %}`;

function pocketTemplate() {
  const file = openSync(pocketModelPath, 'r');
  try {
    const info = readGguf((offset, length) => {
      const bytes = new Uint8Array(length);
      return bytes.subarray(0, readSync(file, bytes, 0, length, offset));
    }, fstatSync(file).size);
    return createChatTemplate(info.chatTemplate, {
      bosToken: info.bos?.text ?? '',
      eosToken: info.eos?.text ?? '',
    });
  } finally {
    closeSync(file);
  }
}

const r1 = pocketTemplate();
const tokens = { bosToken: '<s>', eosToken: '</s>' };
const generate = { addGenerationPrompt: true, tools: [] };

function says(
  role: ChatMessage['role'],
  text: string,
  more: Omit<Partial<ChatMessage>, 'content'> = {},
) {
  return { role, content: [{ kind: 'text' as const, text }], ...more };
}

function textOf(content: ChatMessage['content']): string {
  return content.map((part) => (part.kind === 'text' ? part.text : '')).join('');
}

test('R1: the prompt begins with one BOS and ends inside the thought', () => {
  const prompt = r1.render([says('user', 'hi')], generate);
  assert.equal(prompt, '<｜begin▁of▁sentence｜><｜User｜>hi<｜Assistant｜><think>\n');
  assert.equal(r1.opensThought(prompt), true);
  assert.equal(r1.reasons, true);
  assert.equal(r1.supportsTools, false);
  assert.equal(
    r1.render([says('user', 'hi')], { addGenerationPrompt: false, tools: [] }),
    '<｜begin▁of▁sentence｜><｜User｜>hi',
  );
});

test('R1: earlier turns lose their thoughts; developer is system', () => {
  const prompt = r1.render(
    [
      says('developer', 'Be brief.'),
      says('user', 'a'),
      says('assistant', '<think>\nhm\n</think>b', { reasoning: 'hm' }),
      says('user', 'c'),
    ],
    generate,
  );
  assert.equal(
    prompt,
    '<｜begin▁of▁sentence｜>Be brief.<｜User｜>a<｜Assistant｜>b<｜end▁of▁sentence｜><｜User｜>c<｜Assistant｜><think>\n',
  );
});

test('R1: no system message is lost where the template keeps only the last', () => {
  const prompt = r1.render(
    [says('system', 'One.'), says('user', 'a'), says('developer', 'Two.'), says('user', 'b')],
    generate,
  );
  assert.ok(prompt.startsWith('<｜begin▁of▁sentence｜>One.\n\nTwo.<｜User｜>a<｜User｜>b'));
});

test('R1: a tool output is followed by the answer without a generation prompt', () => {
  const call = { id: '1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } };
  const messages = [
    says('user', 'a'),
    says('assistant', '', { toolCalls: [call] }),
    says('tool', '42', { toolCallId: '1' }),
  ];
  const prompt = r1.render(messages, generate);
  assert.ok(prompt.includes('<｜tool▁sep｜>f\n```json\n{"a":1}\n```'));
  assert.ok(
    prompt.endsWith('<｜tool▁output▁begin｜>42<｜tool▁output▁end｜><｜tool▁outputs▁end｜>'),
  );
  assert.equal(r1.render([...messages, says('assistant', 'It is')], generate), `${prompt}It is`);
});

test('R1: an unfinished assistant message is continued where it stopped', () => {
  const asked = '<｜begin▁of▁sentence｜><｜User｜>q<｜Assistant｜>';
  const table: readonly (readonly [ChatMessage, string, boolean])[] = [
    [says('assistant', 'The answer'), 'The answer', false],
    [says('assistant', '', { reasoning: 'First,' }), '<think>\nFirst,', true],
    [says('assistant', 'It', { reasoning: 'hm' }), '<think>\nhm\n</think>\n\nIt', false],
    [says('assistant', '<think>\nhm'), '<think>\nhm', true],
    [says('assistant', '<think>\nhm\n</think>\n\nIt'), '<think>\nhm\n</think>\n\nIt', false],
    [says('assistant', 'hm\n</think>\n\nIt'), '<think>\nhm\n</think>\n\nIt', false],
    [says('assistant', ''), '<think>\n', true],
  ];
  for (const [last, expected, opensThought] of table) {
    const messages = [says('user', 'q'), last];
    const prompt = r1.render(messages, { addGenerationPrompt: true, tools: [] });
    assert.equal(prompt, asked + expected);
    assert.equal(r1.opensThought(prompt, messages), opensThought, expected);
    assert.equal(r1.render(messages, { addGenerationPrompt: false, tools: [] }), prompt);
  }
});

test('ChatML and Llama 3: turns, generation prompt, continuation', () => {
  const messages = [says('system', 's'), says('user', 'u')];
  const ml = createChatTemplate(chatMl, { bosToken: '', eosToken: '<|im_end|>' });
  const mlPrompt =
    '<|im_start|>system\ns<|im_end|>\n<|im_start|>user\nu<|im_end|>\n<|im_start|>assistant\n';
  assert.equal(ml.render(messages, generate), mlPrompt);
  assert.equal(ml.render([...messages, says('assistant', 'so')], generate), `${mlPrompt}so`);
  assert.equal(ml.reasons, false);
  const l3 = createChatTemplate(llama3, { bosToken: '<|begin_of_text|>', eosToken: '<|eot_id|>' });
  const l3Prompt =
    '<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\ns<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nu<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n';
  assert.equal(l3.render(messages, generate), l3Prompt);
  assert.equal(l3.render([...messages, says('assistant', 'so ')], generate), `${l3Prompt}so `);
  assert.equal(l3.opensThought(l3Prompt, messages), false);
});

test('a template without a generation prompt is cut where the unfinished message ends', () => {
  const template = createChatTemplate(mistral, tokens);
  const messages = [says('user', 'u'), says('assistant', 'so continued')];
  assert.equal(template.render(messages, generate), '<s>[INST] u [/INST] so continued');
  const alone = createChatTemplate(chatMl, tokens);
  assert.equal(alone.render([says('assistant', 'Once')], generate), '<|im_start|>assistant\nOnce');
});

test('what the template refuses is an invalid request in the template’s own words', () => {
  const template = createChatTemplate(mistral, tokens);
  assert.throws(() => template.render([says('user', 'a'), says('user', 'b')], generate), {
    kind: 'invalid_request',
    code: 'template_refused',
    message: /Conversation roles must alternate/,
  });
});

test('tools: rendered where the template has a place for them, refused by name where not', () => {
  const template = createChatTemplate(withTools, tokens);
  assert.equal(template.supportsTools, true);
  const call = { id: '1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } };
  const prompt = template.render(
    [says('user', 'u'), says('assistant', '', { toolCalls: [call] })],
    { addGenerationPrompt: true, tools: [{ type: 'function' }] },
  );
  assert.ok(prompt.startsWith('TOOLS [{"type": "function"}]'), prompt);
  assert.ok(prompt.includes('[f {"a": 1}]'), prompt);
  assert.throws(() => r1.render([says('user', 'u')], { addGenerationPrompt: true, tools: [{}] }), {
    code: 'unsupported_parameter',
    details: { param: 'tools' },
  });
});

test('content other than text is refused with its path', () => {
  const path = 'messages[0].content[1]';
  const image = {
    role: 'user',
    content: [
      { kind: 'text', text: 'see' },
      { kind: 'other', type: 'image_url', path },
    ],
  } as const;
  assert.throws(() => r1.render([image], generate), {
    code: 'unsupported_content',
    details: { param: path },
  });
});

test('a missing or broken template is one clear error', () => {
  for (const source of [undefined, '  ']) {
    assert.throws(() => createChatTemplate(source, tokens), {
      code: 'model_without_template',
      message: /--chat-template/,
    });
  }
  assert.throws(() => createChatTemplate('{% if %}', tokens), { code: 'model_unusable' });
});

test('any conversation keeps every user text and begins with exactly one BOS', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 20 });
  const message = fc.oneof(
    text.map((value) => says('user', value)),
    text.map((value) => says('assistant', value)),
    text.map((value) => says('system', value)),
  );
  fc.assert(
    fc.property(fc.array(message, { maxLength: 6 }), text, (messages, last) => {
      const prompt = r1.render([...messages, says('user', last)], generate);
      assert.ok(prompt.endsWith(`<｜User｜>${last}<｜Assistant｜><think>\n`));
      assert.equal(prompt.split('<｜begin▁of▁sentence｜>').length, 2);
      for (const { role, content } of messages) {
        if (role !== 'assistant') assert.ok(prompt.includes(textOf(content).trim()), role);
      }
    }),
  );
});
