/**
 * The schema as JSON Schema, and what a place in it allows, in words.
 *
 * Error messages and the reference page are both written from the JSON Schema, so that neither can
 * say something that the check does not do.
 */
import { z } from 'zod';
import { isBlock, type Path, type Plain } from './problem.ts';
import { fileSchema } from './schema.ts';

/** A node of a JSON Schema, as far as we read it. */
export interface SchemaNode {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly SchemaNode[];
  readonly oneOf?: readonly SchemaNode[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: SchemaNode | boolean;
  readonly items?: SchemaNode;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  /** Our own: what is allowed in words, where a pattern would say it badly. */
  readonly allowed?: string;
  /** Our own: the value must never be shown. */
  readonly secret?: boolean;
}

/** JSON Schema (draft 2020-12) of `unbusy.yaml`, for editors and `unbusy config schema`. */
export function configJsonSchema(): SchemaNode {
  return z.toJSONSchema(fileSchema, { io: 'input' }) as SchemaNode;
}

/** The node that `path` leads to in a file that holds `root`; undefined beside the schema. */
export function nodeAt(schema: SchemaNode, path: Path, root: unknown): SchemaNode | undefined {
  let node: SchemaNode | undefined = schema;
  let value: unknown = root;
  for (const step of path) {
    node = typeof step === 'number' ? itemsOf(node) : childOf(node, step, value);
    if (node === undefined) return undefined;
    value = step !== '' && isBlock(value) ? value[step] : arrayItem(value, step);
  }
  return node;
}

function arrayItem(value: unknown, step: string | number): unknown {
  return Array.isArray(value) && typeof step === 'number' ? value[step] : undefined;
}

function itemsOf(node: SchemaNode): SchemaNode | undefined {
  return node.items;
}

/** The schema of one key; a block that comes in kinds is told apart by its own `kind`. */
function childOf(node: SchemaNode, key: string, value: unknown): SchemaNode | undefined {
  const block = variantOf(node, value);
  const own = block.properties?.[key];
  if (own !== undefined) return own;
  return typeof block.additionalProperties === 'object' ? block.additionalProperties : undefined;
}

/** The alternative of `node` that has the `kind` of `value`; `node` itself when it has no kinds. */
export function variantOf(node: SchemaNode, value: unknown): SchemaNode {
  const kind = isBlock(value) ? (value as Plain)['kind'] : undefined;
  return node.oneOf?.find((variant) => variant.properties?.['kind']?.const === kind) ?? node;
}

/** What a node allows: `a whole number from 0 to 65535`, `one of a, b`. */
export function allowedText(node: SchemaNode): string {
  if (node.allowed !== undefined) return node.allowed;
  if (node.const !== undefined) return String(node.const);
  if (node.enum !== undefined) {
    return node.enum.length === 1 ? String(node.enum[0]) : `one of ${node.enum.join(', ')}`;
  }
  if (node.anyOf !== undefined) return node.anyOf.map(allowedText).join(' or ');
  switch (node.type) {
    case 'boolean':
      return 'true or false';
    case 'integer':
      return `a whole number${rangeText(node)}`;
    case 'number':
      return `a number${rangeText(node)}`;
    case 'string':
      return 'text';
    case 'array':
      return node.items === undefined ? 'a list' : `a list of: ${allowedText(node.items)}`;
    default:
      return 'a block of keys';
  }
}

function rangeText(node: SchemaNode): string {
  const from =
    node.exclusiveMinimum === undefined
      ? ` from ${node.minimum ?? 0}`
      : ` above ${node.exclusiveMinimum}`;
  const bounded = node.maximum !== undefined && node.maximum < Number.MAX_SAFE_INTEGER;
  return bounded ? `${from} to ${node.maximum}` : from;
}
