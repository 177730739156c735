/** A program of a thread: yields where it cannot go on at this instant. */
export type Steps = Generator<undefined, void, undefined>
export type StepsTo<T> = Generator<undefined, T, undefined>
