import type { SnapshotFiles } from './snapshot.ts'
import type { Task } from './task.ts'

/** What is known of a process beside the events of its threads. */
export interface ProcessFacts {
  /** First word of its command line. */
  name?: string
  /** Android package. */
  package?: string
  cgroup?: string
  oomScoreAdj?: number
}

export type Killer = 'oom' | 'lmkd' | 'lowmemorykiller'

export interface Kill {
  readonly ts: number
  readonly by: Killer
}

/** Users of one device have the same apps under uids 100,000 apart (AID_USER_OFFSET, android_filesystem_config.h). */
const UIDS_OF_A_USER = 100_000
/** lmkd writes one kill in several forms. */
const SAME_KILL_NS = 1e9

/** Processes by tgid: from the trace's own lists, the files beside it, and events. */
export class Processes {
  /** oom_score_adj by pid when the recording began. */
  readonly firstScores: ReadonlyMap<number, number>
  readonly #known = new Map<number, ProcessFacts>()
  readonly #kills = new Map<number, Kill[]>()

  /**
   * `facts` is what the reader says of the trace: processes (pid, uid, name separated by tabs) and packages (uid, name). Of the files,
   * processes.before and .after are read, and packages.
   */
  constructor(facts: ReadonlyMap<string, string>, files: SnapshotFiles) {
    const packages = readPackages(facts.get('packages') ?? '', files.get('packages') ?? '')
    const firstScores = new Map<number, number>()
    // What ran before the recording had its tid first; a later snapshot tells of those that began in it.
    for (const name of ['processes.before', 'processes.after'])
      for (const [pid, found] of readProcesses(files.get(name) ?? '')) {
        const { uid, ...known } = found
        if (known.oomScoreAdj !== undefined && name === 'processes.before')
          firstScores.set(pid, known.oomScoreAdj)
        this.#add(pid, uid, known, packages)
      }
    this.firstScores = firstScores
    for (const [, pid, uid, name = ''] of (facts.get('processes') ?? '').matchAll(
      /^(\d+)\t(\d*)\t(.*)$/gm,
    ))
      this.#add(Number(pid), uid === '' ? undefined : Number(uid), { name }, packages)
  }

  /** Names and values of the task's process; of the thread itself where its process is not known. */
  of(task: Task): ProcessFacts {
    return this.#known.get(idOf(task)) ?? {}
  }

  /** By the last event that moved it, or by the files beside the trace; of a task that came and went between these by its parent's. */
  cgroupOf(task: Task): string | undefined {
    let known = task.cgroup
    for (let at: Task | undefined = task; at !== undefined && known === undefined; at = at.parent)
      known = this.of(at).cgroup
    return known
  }

  killOf(task: Task): Kill | undefined {
    return this.#kills.get(idOf(task))?.findLast(({ ts }) => ts >= task.firstNs)
  }

  setScore(pid: number, score: number): void {
    if (!Number.isNaN(pid) && !Number.isNaN(score)) this.#at(pid).oomScoreAdj = score
  }

  /** False when the same kill was told before. */
  addKill(pid: number, kill: Kill): boolean {
    const kills = this.#kills.get(pid) ?? []
    if (kills.some(({ ts }) => Math.abs(ts - kill.ts) < SAME_KILL_NS)) return false
    kills.push(kill)
    this.#kills.set(pid, kills)
    return true
  }

  #add(
    pid: number,
    uid: number | undefined,
    found: ProcessFacts,
    packages: ReadonlyMap<number, readonly string[]>,
  ): void {
    const packageName = findPackage(packages, uid, found.name ?? '')
    this.#known.set(pid, {
      ...found,
      ...(packageName === undefined ? {} : { package: packageName }),
      ...this.#known.get(pid),
    })
  }

  #at(pid: number): ProcessFacts {
    let known = this.#known.get(pid)
    if (known === undefined) {
      known = {}
      this.#known.set(pid, known)
    }
    return known
  }
}

function idOf(task: Task): number {
  return Number.isNaN(task.tgid) ? task.tid : task.tgid
}

/** Process by thread, of `/proc/PID/task/TID` lines in processes.before and .after: what the former tells counts. */
export function threadsOf(files: SnapshotFiles): ReadonlyMap<number, number> {
  const threads = new Map<number, number>()
  for (const name of ['processes.after', 'processes.before'])
    for (const [, pid, tid] of (files.get(name) ?? '').matchAll(/^\/proc\/(\d+)\/task\/(\d+)$/gm))
      threads.set(Number(tid), Number(pid))
  return threads
}

/** `/proc/PID/FILE:CONTENT` lines, as grep prints them, of status (Uid), oom_score_adj, cgroup and cmdline. */
function readProcesses(text: string): Map<number, ProcessFacts & { uid?: number }> {
  const processes = new Map<number, ProcessFacts & { uid?: number }>()
  for (const [, id, file, content = ''] of text.matchAll(
    /^\/proc\/(\d+)\/(status|oom_score_adj|cgroup|cmdline):(.*)$/gm,
  )) {
    const known = processes.get(Number(id)) ?? {}
    processes.set(Number(id), known)
    const uid = /^Uid:\s*(\d+)/.exec(content)?.[1]
    const group = /^\d+:(memory)?:(.*)$/.exec(content)
    if (file === 'status' && uid !== undefined) known.uid = Number(uid)
    else if (file === 'oom_score_adj' && /^-?\d+$/.test(content))
      known.oomScoreAdj = Number(content)
    else if (file === 'cmdline') known.name = content
    // The memory controller's hierarchy (cgroup v1) says more than a unified one without it.
    else if (
      file === 'cgroup' &&
      group !== null &&
      (group[1] === 'memory' || known.cgroup === undefined)
    )
      known.cgroup = group[2] ?? ''
  }
  return processes
}

/** Package names by app id: `uid name` lines, or Android's /data/system/packages.list (`name uid ...`). */
function readPackages(listed: string, file: string): ReadonlyMap<number, readonly string[]> {
  const packages = new Map<number, string[]>()
  const add = (uid: number, name: string) => {
    const app = uid % UIDS_OF_A_USER
    packages.set(app, [...(packages.get(app) ?? []), name])
  }
  for (const [, uid, name] of listed.matchAll(/^(\d+) (\S+)$/gm)) add(Number(uid), name ?? '')
  for (const [, name, uid] of file.matchAll(/^(\S+) (\d+)(?: .*)?$/gm)) add(Number(uid), name ?? '')
  return packages
}

/** Packages may share a uid: then the process is named after the one it belongs to, with its own part behind a colon. */
function findPackage(
  packages: ReadonlyMap<number, readonly string[]>,
  uid: number | undefined,
  process: string,
): string | undefined {
  const [own = ''] = process.split(':')
  if (uid === undefined) {
    for (const names of packages.values()) if (names.includes(own)) return own
    return undefined
  }
  const names = packages.get(uid % UIDS_OF_A_USER) ?? []
  return names.includes(own) ? own : names.length === 1 ? names[0] : undefined
}
