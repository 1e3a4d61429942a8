/** The one-way form in which callers' keys are kept. */
import { hash } from 'node:crypto';

/** `sha256:` and 64 hexadecimal digits. */
export function keyHash(key: string): string {
  return `sha256:${hash('sha256', key, 'hex')}`;
}
