import { nodeOfComm, type TaskKind, taskKindOf } from '../model/task-kind.ts'
import { MOST_IDLE_TASKS, MOST_TIDS, NOBODY, TID_BITS } from './assembly/_layout.ts'
import type { Clock } from './clock.ts'
import type { Following } from './follow-kernel.ts'
import { Task } from './task.ts'

const PAGE_TIDS = 1 << TID_BITS

/** Every task met, by tid; the idle tasks, all tid 0, by CPU. */
export class Tasks {
  readonly all: Task[] = []
  readonly #following: Following
  /** By tid, in pages of the kernel's: Linux' tids stay below 2^22 (PID_MAX_LIMIT). */
  readonly #pages: (Int32Array | undefined)[] = []
  readonly #strange = new Map<number, Task>()
  readonly #strangeIdle = new Map<number, Task>()
  readonly #byPlace = new Map<number, Task>()
  /** Who did what the trace does not say (Perfetto's compact wakings after a loss, samples). */
  readonly #nobody: Task
  readonly #kinds = new Map<string, TaskKind>()
  readonly #comms: ReadonlyMap<number, string>
  readonly #tgids: readonly ReadonlyMap<number, number>[]
  readonly #clock: Clock

  /** `tgids`: the first that has a task tells its group; readers may still add to theirs. */
  constructor(
    following: Following,
    clock: Clock,
    comms: ReadonlyMap<number, string>,
    tgids: readonly ReadonlyMap<number, number>[],
  ) {
    this.#following = following
    this.#clock = clock
    this.#comms = comms
    this.#tgids = tgids
    const nobody = { id: Number.NaN, tid: Number.NaN, tgid: Number.NaN, comm: '' }
    this.#nobody = new Task(following, -1, nobody, Number.NaN, -1)
    following.words[NOBODY / 4] = this.#nobody.place
  }

  /** The task that the clock's event is of or names. */
  at(tid: number, cpu: number): Task {
    const place = this.#following.kernel.taskAt(Number.isNaN(tid) ? -1 : tid, cpu)
    return this.#byPlace.get(place) ?? this.#nobody
  }

  /** The task with this index among all; nobody has -1. */
  withIndex(index: number): Task {
    return index < 0 ? this.#nobody : (this.all[index] as Task)
  }

  find(tid: number): Task | undefined {
    if (!isCommon(tid)) return this.#strange.get(tid)
    const place = this.#pages[tid >>> TID_BITS]?.[tid & (PAGE_TIDS - 1)] ?? 0
    return this.#byPlace.get(place)
  }

  /** Place of a task that the kernel has not in its tables, made if it is met for the first time. */
  meet(tid: number, cpu: number): number {
    if (tid === 0) return (this.#strangeIdle.get(cpu) ?? this.#addIdle(cpu)).place
    return (this.#strange.get(tid) ?? this.#add(tid, cpu)).place
  }

  rename(task: Task, comm: string): void {
    if (task.comm === comm || task.tid === 0 || task === this.#nobody) return
    task.comm = comm
    task.forgetName()
    const kind = this.#kindOf(comm)
    // A kworker that was seen storing pages stays a compressor when its name gets its pool's suffix.
    if (task.kind !== 'compressor' || kind === 'kswapd') task.kind = kind
    if (kind === 'kswapd' || kind === 'kcompactd') task.node = nodeOfComm(comm) ?? task.node
  }

  #kindOf(comm: string): TaskKind {
    let kind = this.#kinds.get(comm)
    if (kind === undefined) {
      kind = taskKindOf(comm)
      this.#kinds.set(comm, kind)
    }
    return kind
  }

  /** The tid is a new task from here on, in the cgroups that its parent is in (cgroup_post_fork). */
  begin(tid: number, comm: string, cpu: number, parent: Task): Task {
    this.retire(tid)
    const child = this.at(tid, cpu)
    this.rename(child, comm)
    child.parent = parent
    child.cgroup = parent.cgroup
    child.cgroupUnified = parent.cgroupUnified
    return child
  }

  /** The tid's next event belongs to another task. */
  retire(tid: number): void {
    if (isCommon(tid)) this.#pageOf(tid)[tid & (PAGE_TIDS - 1)] = 0
    else this.#strange.delete(tid)
  }

  #add(tid: number, cpu: number): Task {
    const comm = this.#comms.get(tid) ?? ''
    const task = this.#make(tid, this.#tgidOf(tid), comm, cpu)
    if (isCommon(tid)) this.#pageOf(tid)[tid & (PAGE_TIDS - 1)] = task.place
    else this.#strange.set(tid, task)
    return task
  }

  #addIdle(cpu: number): Task {
    const task = this.#make(0, 0, `swapper/${cpu}`, cpu)
    if (cpu >= 0 && cpu < MOST_IDLE_TASKS) this.#following.idleTasks[cpu] = task.place
    else this.#strangeIdle.set(cpu, task)
    return task
  }

  #make(tid: number, tgid: number, comm: string, cpu: number): Task {
    const index = this.all.length
    const who = { id: index + 1, tid, tgid, comm }
    const task = new Task(this.#following, index, who, this.#clock.now, cpu)
    this.all.push(task)
    this.#byPlace.set(task.place, task)
    return task
  }

  #tgidOf(tid: number): number {
    for (const tgids of this.#tgids) {
      const tgid = tgids.get(tid)
      if (tgid !== undefined) return tgid
    }
    return Number.NaN
  }

  #pageOf(tid: number): Int32Array {
    const number = tid >>> TID_BITS
    let page = this.#pages[number]
    if (page === undefined) {
      page = this.#following.integers(this.#following.room(4 * PAGE_TIDS), PAGE_TIDS)
      this.#pages[number] = page
      this.#following.tidPages[number] = page.byteOffset
    }
    return page
  }
}

function isCommon(tid: number): boolean {
  return tid >= 0 && tid < MOST_TIDS
}
