/** docs/reference/config.md: every key of `unbusy.yaml`, written from the schema. */
import { allowedText, configJsonSchema, type SchemaNode } from './json-schema.ts';
import { unavailableKeys } from './unavailable.ts';

/** The reference page as Markdown. */
export function configReference(): string {
  const root = configJsonSchema();
  const sections = Object.entries(root.properties ?? {}).flatMap(([name, node]) =>
    sectionOf(name, node),
  );
  return `${[introduction, ...sections, unavailableSection()].join('\n\n')}\n`;
}

const introduction = `# Configuration

Generated from \`src/config/schema.ts\`. \`unbusy serve --config unbusy.yaml\` reads the file,
\`unbusy config check\` checks it, \`unbusy config print\` shows it with every default, and
\`unbusy config schema\` prints the JSON Schema for editors. Every key has a default: an empty file
is a valid one. Units are in the names: \`_ms\` are milliseconds, \`_bytes\` bytes, \`_tokens\` tokens.

Secrets (\`key\`, \`headers\`, \`secret\`) may be written as \`"\${ENV}"\` or \`"\${file:/run/secrets/x}"\`.
Relative file names are relative to the config file.

An embedded endpoint also takes the block \`inference: { batch_size, max_sequence_length }\` and
Triton's \`max_queue_delay_microseconds\`; they mean \`dynamic_batching.max_batch_size\`,
\`context_tokens\` and \`max_queue_delay_ms\`. Batch sizes that are no powers of two bring a warning.`;

/** One heading and table per block, and one per kind where a block comes in kinds. */
function sectionOf(name: string, node: SchemaNode): string[] {
  const about = node.description ?? '';
  const entry =
    typeof node.additionalProperties === 'object' ? node.additionalProperties : node.items;
  const place = node.items === undefined ? `${name}.NAME` : `${name}[]`;
  if (entry?.oneOf !== undefined) {
    return [`## ${name}\n\n${about}`, ...variantSections(place, entry.oneOf)];
  }
  const table = entry === undefined ? tableOf(name, node) : tableOf(place, entry);
  return [`## ${name}\n\n${about}\n\n${table}`];
}

/** Kinds with the same keys share a table. */
function variantSections(place: string, variants: readonly SchemaNode[]): string[] {
  const byTable = new Map<string, SchemaNode[]>();
  for (const variant of variants) {
    const { kind: _kind, ...properties } = variant.properties ?? {};
    const table = tableOf(place, { ...variant, properties });
    byTable.set(table, [...(byTable.get(table) ?? []), variant]);
  }
  return [...byTable].map(([table, sharing]) => {
    const kinds = sharing.map((variant) => `\`kind: ${variant.properties?.['kind']?.const}\``);
    const about = sharing.map((variant) => variant.description).join(' ');
    return `### ${kinds.join(', ')}\n\n${about}\n\n${table}`;
  });
}

function tableOf(place: string, block: SchemaNode): string {
  const rows = rowsOf(place, block);
  return ['| key | allowed | default | meaning |', '|---|---|---|---|', ...rows].join('\n');
}

function rowsOf(place: string, block: SchemaNode): string[] {
  return Object.entries(block.properties ?? {}).flatMap(([name, node]) => {
    const path = `${place}.${name}`;
    if (node.properties !== undefined) return rowsOf(path, node);
    const allowed = entryText(node);
    const needed = block.required?.includes(name) === true;
    const shown = needed ? 'required' : defaultText(node.default);
    return [
      `| \`${path}\` | ${cell(allowed)} | ${cell(shown)} | ${cell(node.description ?? '')} |`,
    ];
  });
}

function entryText(node: SchemaNode): string {
  return typeof node.additionalProperties === 'object'
    ? `a block of names, each ${allowedText(node.additionalProperties)}`
    : allowedText(node);
}

function defaultText(value: unknown): string {
  return value === undefined
    ? ''
    : `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

function unavailableSection(): string {
  const lines = unavailableKeys.map(({ path, what, instead }) => {
    const key = path.map((step) => (step === '*' ? 'NAME' : step)).join('.');
    return `- \`${key}\`: ${what}${instead === undefined ? '' : ` (${instead})`}`;
  });
  return [
    '## Not available in this version',
    'These keys are known and refused by name, unless they are set to what is true anyway (off).',
    lines.join('\n'),
  ].join('\n\n');
}
