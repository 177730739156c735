import type { SnapshotFiles } from './snapshot.ts'
import type { Task } from './tasks.ts'

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
   * `facts` is what the reader says of the trace: processes (pid, uid, name) and packages (uid, name); of the files, processes.before and
   * .after have pid, uid, oom_score_adj, cgroup and name in each line, separated by tabs.
   */
  constructor(facts: ReadonlyMap<string, string>, files: SnapshotFiles) {
    const packages = readPackages(facts.get('packages') ?? '', files.get('packages') ?? '')
    const firstScores = new Map<number, number>()
    // What ran before the recording had its tid first; a later snapshot tells of those that began in it.
    for (const name of ['processes.before', 'processes.after'])
      for (const line of lines(files.get(name))) {
        const words = line.split('\t')
        const [pid, , score = '', cgroup = ''] = words
        const isScore = /^-?\d+$/.test(score)
        if (isScore && name === 'processes.before') firstScores.set(Number(pid), Number(score))
        this.#add(words, packages, {
          ...(isScore ? { oomScoreAdj: Number(score) } : {}),
          ...(cgroup === '' ? {} : { cgroup }),
        })
      }
    this.firstScores = firstScores
    for (const line of lines(facts.get('processes'))) this.#add(line.split('\t'), packages, {})
  }

  /** Names and values of the task's process; of the thread itself where its process is not known. */
  of(task: Task): ProcessFacts {
    return this.#known.get(idOf(task)) ?? {}
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
    words: readonly string[],
    packages: ReadonlyMap<number, readonly string[]>,
    more: ProcessFacts,
  ): void {
    const [pid = '', uid = ''] = words
    const name = words.at(-1) ?? ''
    if (!/^\d+$/.test(pid)) return
    const known = this.#at(Number(pid))
    const packageName = findPackage(packages, uid === '' ? Number.NaN : Number(uid), name)
    const found: ProcessFacts = {
      ...(name === '' ? {} : { name }),
      ...(packageName === undefined ? {} : { package: packageName }),
      ...more,
    }
    this.#known.set(Number(pid), { ...found, ...known })
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

function lines(text = ''): string[] {
  return text.split('\n').filter((line) => line.trim() !== '')
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
  uid: number,
  process: string,
): string | undefined {
  const [own = ''] = process.split(':')
  if (Number.isNaN(uid)) {
    for (const names of packages.values()) if (names.includes(own)) return own
    return undefined
  }
  const names = packages.get(uid % UIDS_OF_A_USER) ?? []
  return names.includes(own) ? own : names.length === 1 ? names[0] : undefined
}
