/**
 * The three classes of work. They differ in how long a caller is ready to wait, and share the
 * engines in fixed proportion when all of them have work waiting.
 */

/** Highest first. */
export const requestClasses = ['interactive', 'standard', 'batch'] as const;

export type RequestClass = (typeof requestClasses)[number];

/** Shares under backlog. What a class leaves unused, the others borrow in the same proportion. */
export const classWeights: Readonly<Record<RequestClass, number>> = {
  interactive: 8,
  standard: 4,
  batch: 1,
};

export function isRequestClass(value: string): value is RequestClass {
  return (requestClasses as readonly string[]).includes(value);
}
