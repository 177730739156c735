import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { binary } from '../shared/binary.ts'

export interface Ended {
  readonly status: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
}

export interface Interruption {
  readonly folder: string
  /** Standard input, which stays open behind it. */
  readonly input?: string
  /** The sign that the work is under way which Ctrl-C is to meet; a time would not tell on a loaded machine. */
  readonly isUnderWay: (child: ChildProcess, stderr: string) => boolean
  /** Instead of Ctrl-C's. */
  readonly signal?: NodeJS.Signals
}

const POLL_MS = 20

/** Runs the binary in a folder, and presses Ctrl-C once the work is under way. */
export async function interrupted(args: readonly string[], options: Interruption): Promise<Ended> {
  const child = spawn(process.execPath, [binary(), ...args], { cwd: options.folder, stdio: 'pipe' })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const closed = once(child, 'close') as Promise<[number | null, string | null]>
  if (options.input === undefined) child.stdin.end()
  else child.stdin.write(options.input)
  while (child.exitCode === null && !options.isUnderWay(child, stderr))
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  child.kill(options.signal ?? 'SIGINT')
  const [status, signal] = await closed
  return { status, signal, stdout, stderr }
}

/** Whether the process has the file open: /proc/PID/fd, proc(5). */
export function hasOpen({ pid }: ChildProcess, file: string): boolean {
  const folder = `/proc/${pid}/fd`
  return orElse<string[]>([], () => readdirSync(folder)).some((name) =>
    orElse('', () => readlinkSync(join(folder, name))).endsWith(`/${file}`),
  )
}

/** Of those behind the name: utime is the 14th in all. */
const UTIME = 11
/** USER_HZ, what user space sees whatever the kernel's own HZ. */
const TICKS_PER_SECOND = 100

/** Seconds of CPU that all threads of the process have used in user mode: /proc/PID/stat, proc(5). */
export function cpuSeconds({ pid }: ChildProcess): number {
  const stat = orElse('', () => readFileSync(`/proc/${pid}/stat`, 'utf8'))
  // The name, in brackets, may have spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fields[UTIME] ?? 0) / TICKS_PER_SECOND
}

/** The process, or what it had open, may be gone by now. */
function orElse<T>(absent: T, read: () => T): T {
  try {
    return read()
  } catch {
    return absent
  }
}
