import { OutsideCase } from './case.ts'

/** What a thread does until its next turn. */
export type Wait =
  | { readonly spend: number }
  | { readonly sleepUntil: number }
  | { readonly spin: true }
  | { readonly block: true }

export type Program<End = void> = Generator<Wait, End, undefined>

export interface Thread {
  readonly name: string
  readonly cpus: readonly number[]
  /** Has an address space: its CPU must flush what another unmaps. */
  readonly hasMemory: boolean
  program: Program
  state: 'running' | 'waking' | 'asleep' | 'ended'
  cpu: number
  /** Its next turn, or the end of its sleep. */
  at: number | undefined
}

/** Time and who runs: every thread has a CPU to itself, the one whose turn comes first goes on. */
export class Clock {
  now = 0
  ties = 0
  stopped = false
  /** The CPU has nothing to run from now on. */
  onIdle: (cpu: number) => void = () => {}
  readonly #drawWakeLatency: () => number
  readonly #threads: Thread[] = []
  #current: Thread | undefined

  constructor(drawWakeLatency: () => number) {
    this.#drawWakeLatency = drawWakeLatency
  }

  /** The CPU of the thread whose turn it is; the first one before anything runs. */
  get cpu(): number {
    return this.#current?.cpu ?? 0
  }

  /** A thread that sleeps until someone wakes it. */
  add(
    given: Pick<Thread, 'name' | 'cpus' | 'hasMemory'>,
    program: (self: Thread) => Program,
  ): Thread {
    const thread: Thread = {
      ...given,
      program: nothing(),
      state: 'asleep',
      cpu: given.cpus[0] ?? 0,
      at: undefined,
    }
    thread.program = program(thread)
    this.#threads.push(thread)
    return thread
  }

  /** Running threads with memory, without this one, by CPU. */
  othersWithMemory(thread: Thread): Thread[] {
    return this.#threads
      .filter((other) => other !== thread && other.hasMemory && other.state === 'running')
      .sort((a, b) => a.cpu - b.cpu)
  }

  /** False: it did not sleep. */
  wake(thread: Thread): boolean {
    if (thread.state !== 'asleep') return false
    if (!this.#isIdle(thread.cpu)) {
      const cpu = thread.cpus.find((candidate) => this.#isIdle(candidate))
      if (cpu === undefined) throw new OutsideCase('a thread without a CPU')
      thread.cpu = cpu
    }
    thread.state = 'waking'
    thread.at = this.now + this.#drawWakeLatency()
    return true
  }

  run(): void {
    while (!this.stopped) {
      let first: Thread | undefined
      for (const thread of this.#threads)
        if (thread.at !== undefined && (first?.at === undefined || thread.at < first.at))
          first = thread
      if (first?.at === undefined) return
      for (const thread of this.#threads)
        if (thread !== first && thread.at === first.at) this.ties++
      this.now = first.at
      first.at = undefined
      this.#turn(first)
    }
  }

  #isIdle(cpu: number): boolean {
    return !this.#threads.some(
      (thread) => thread.cpu === cpu && (thread.state === 'running' || thread.state === 'waking'),
    )
  }

  #turn(thread: Thread): void {
    if (thread.state === 'asleep') {
      this.wake(thread)
      return
    }
    thread.state = 'running'
    this.#current = thread
    while (!this.#step(thread));
    this.#current = undefined
  }

  /** True: the turn is over. */
  #step(thread: Thread): boolean {
    const step = thread.program.next()
    if (this.stopped) return true
    if (step.done === true) {
      thread.state = 'ended'
      this.onIdle(thread.cpu)
      return true
    }
    const wait = step.value
    if ('spend' in wait) {
      if (wait.spend <= 0) return false
      thread.at = this.now + wait.spend
    } else if (!('spin' in wait)) {
      thread.state = 'asleep'
      this.onIdle(thread.cpu)
      if ('sleepUntil' in wait) thread.at = wait.sleepUntil
    }
    return true
  }
}

function* nothing(): Program {}
