/** A program of a thread: yields where it cannot go on at this instant. */
export type Steps = Generator<undefined, void, undefined>
export type StepsTo<T> = Generator<undefined, T, undefined>

function* nothing(): Steps {}
/** Of all programs: each has a shape of its own, and to look this up in every one of them is slow. */
const next = nothing().next

/** program.next(value). */
export function resume<Step, End, Result>(
  program: Generator<Step, End, Result>,
  value: Result,
): IteratorResult<Step, End> {
  return next.call(program, value as undefined) as IteratorResult<Step, End>
}
