import { spawnSync } from 'node:child_process'

export interface TimedRun {
  readonly stdout: string
  readonly wallSeconds: number
  /** User and system time of the process and all its threads: what a loaded machine changes least. */
  readonly cpuSeconds: number
}

/** Runs a program to its end; with `to`, its output goes to that file. */
export function runTimed(command: readonly string[], to = ''): TimedRun {
  const started = performance.now()
  // `times` of POSIX tells what the shell's children took, on its second line.
  const script =
    'out=$1; shift; if [ "$out" ]; then "$@" >"$out" 2>/dev/null; else "$@"; fi; echo; times'
  const { stdout, stderr } = spawnSync('sh', ['-c', script, 'sh', to, ...command], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  })
  const wallSeconds = (performance.now() - started) / 1000
  const found = /\n[^\n]*\n(\d+)m([\d.]+)s (\d+)m([\d.]+)s\s*$/.exec(stdout)
  if (found === null) throw new Error(stderr)
  const [, userMinutes, user, systemMinutes, system] = found.map(Number)
  return {
    stdout: stdout.slice(0, stdout.lastIndexOf('\n', found.index)),
    wallSeconds,
    cpuSeconds:
      60 * ((userMinutes ?? 0) + (systemMinutes ?? 0)) + (user ?? Number.NaN) + (system ?? 0),
  }
}
