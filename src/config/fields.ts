/** The kinds of value that the config is made of: what is allowed is said here once per kind. */
import { z } from 'zod';

/** Longest time that may be configured: a day, in ms. */
const dayMs = 86_400_000;

/** A duration in whole ms; `max` is a day unless said otherwise. */
export function milliseconds(options: { min?: number; max?: number } = {}) {
  return z
    .int()
    .min(options.min ?? 0)
    .max(options.max ?? dayMs);
}

/** A whole number of things. */
export function count(min: number, max: number) {
  return z.int().min(min).max(max);
}

/** `auto` or a whole number. */
export function autoOr(min: number, max: number) {
  return z.union([z.literal('auto'), count(min, max)]);
}

/** Names that become metric labels and log fields, so they stay short and plain. */
export const plainName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/)
  .meta({ allowed: 'a name of 1 to 63 letters, digits, dots, dashes and underscores' });

/** Model names as callers send them: `deepseek-ai/DeepSeek-R1`. */
export const modelName = z
  .string()
  .regex(/^[A-Za-z0-9][^\s\p{Cc}]{0,199}$/u)
  .meta({ allowed: 'a model name of 1 to 200 characters without spaces' });

/** Text that is not empty. */
export const text = z.string().min(1).max(10_000);

/** Text that may hold `${ENV}` and `${file:…}`. */
export const secretText = z
  .string()
  .min(1)
  .max(10_000)
  .meta({ allowed: `text, "\${ENV}" or "\${file:/path}"`, secret: true });
