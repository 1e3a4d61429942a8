/** What tells whether two requests ask for the same: SHA-256 of what the caller sent, base64. */
import { createHash } from 'node:crypto';
import type { GenerationRequest } from '../protocol/generation.ts';

/** The same for two requests that differ in nothing but their id. */
export function requestDigest(request: GenerationRequest): string {
  const asked = request.wire?.bytes ?? JSON.stringify({ ...request, id: '' });
  return createHash('sha256').update(asked).digest('base64');
}
