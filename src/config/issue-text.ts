/** Turns zod's issues into our problems: the place, what was found, what is allowed. */
import type { z } from 'zod';
import { endpointKinds } from './endpoint-schema.ts';
import {
  allowedText,
  configJsonSchema,
  nodeAt,
  type SchemaNode,
  variantOf,
} from './json-schema.ts';
import { nearest } from './nearest.ts';
import { isBlock, type Path, type Plain, type Problem, valueAt, valueText } from './problem.ts';
import { unavailableValues } from './unavailable.ts';

/** Every issue as one problem or, for unknown keys, one per key. */
export function problemsOf(issues: readonly z.core.$ZodIssue[], root: Plain): Problem[] {
  const schema = configJsonSchema();
  return issues.flatMap((issue) => {
    const path = issue.path.map((step) => (typeof step === 'number' ? step : String(step)));
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => unknownKey(schema, root, path, key));
    }
    return [problemOf(schema, root, path, issue)];
  });
}

function problemOf(schema: SchemaNode, root: Plain, path: Path, issue: z.core.$ZodIssue): Problem {
  const found = valueAt(root, path);
  if (issue.code === 'invalid_key') {
    const parent = nodeAt(schema, path.slice(0, -1), root) as { propertyNames?: SchemaNode };
    const allowed = parent.propertyNames ? allowedText(parent.propertyNames) : 'another name';
    const name = valueText(path.at(-1));
    return { path, message: `the name ${name} cannot be used; allowed: ${allowed}`, atKey: true };
  }
  if (issue.code === 'invalid_union' && isKindFault(schema, path, root)) {
    return kindProblem(path, found);
  }
  if (issue.code === 'custom') return { path, message: issue.message };
  const node = nodeAt(schema, path, root);
  const shown = node?.secret === true && typeof found === 'string' ? 'a value' : valueText(found);
  const allowed = node === undefined ? 'see `unbusy config schema`' : allowedText(node);
  const later = laterText(path, found);
  const message =
    found === undefined
      ? `missing; allowed: ${allowed}`
      : `found ${shown}${later}; allowed: ${allowed}${lengthText(issue)}`;
  return { path, message };
}

/** Lengths of texts and lists are not in `allowed`, so a fault of length names its limit. */
function lengthText(issue: z.core.$ZodIssue): string {
  if (issue.code === 'too_small' && (issue.origin === 'string' || issue.origin === 'array')) {
    return `, at least ${issue.minimum} long`;
  }
  if (issue.code === 'too_big' && (issue.origin === 'string' || issue.origin === 'array')) {
    return `, at most ${issue.maximum} long`;
  }
  return '';
}

function laterText(path: Path, found: unknown): string {
  const later = unavailableValues[String(path.at(-1))] ?? [];
  return later.includes(String(found)) ? ', which is not available in this version' : '';
}

function unknownKey(schema: SchemaNode, root: Plain, path: Path, key: string): Problem {
  const node = nodeAt(schema, path, root);
  const block = node === undefined ? undefined : variantOf(node, valueAt(root, path));
  const known = Object.keys(block?.properties ?? {});
  const close = nearest(key, known);
  const hint = close === undefined ? '' : `; did you mean "${close}"?`;
  return {
    path: [...path, key],
    message: `unknown key "${key}"${hint}; allowed: ${known.join(', ')}`,
    atKey: true,
  };
}

function isKindFault(schema: SchemaNode, path: Path, root: Plain): boolean {
  const owner = path.at(-1) === 'kind' ? path.slice(0, -1) : path;
  return nodeAt(schema, owner, root)?.oneOf !== undefined && isBlock(valueAt(root, owner));
}

function kindProblem(path: Path, found: unknown): Problem {
  const at = path.at(-1) === 'kind' ? path : [...path, 'kind'];
  const kind = isBlock(found) ? found['kind'] : found;
  const allowed = `allowed: one of ${endpointKinds.join(', ')}`;
  if (kind === undefined) return { path: at, message: `missing; ${allowed}` };
  const close = typeof kind === 'string' ? nearest(kind, endpointKinds) : undefined;
  const hint = close === undefined ? '' : `; did you mean "${close}"?`;
  return {
    path: at,
    message: `found ${valueText(kind)}${laterText(at, kind)}${hint}; ${allowed}`,
  };
}
