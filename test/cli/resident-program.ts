import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { binary } from '../shared/binary.ts'

export interface ProgramResult {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

const RUNNER = fileURLToPath(new URL('resident-program.mjs', import.meta.url))

/** The built command line, many times in one process and one folder: most of a short command's time is its start. */
export class ResidentProgram {
  readonly #folder = mkdtempSync(join(tmpdir(), 'pstrace-resident-'))
  readonly #process: ChildProcess
  readonly #requests: number
  readonly #statuses: number
  readonly #stdout: number
  readonly #stderr: number

  constructor(cwd: string, env: NodeJS.ProcessEnv) {
    const [requests, statuses] = [this.#path('requests'), this.#path('statuses')]
    execFileSync('mkfifo', [requests, statuses])
    // Opened both ways first: an end of a pipe waits for the other one.
    const both = [requests, statuses].map((path) => openSync(path, 'r+'))
    const toRead = openSync(requests, 'r')
    const toWrite = openSync(statuses, 'w')
    this.#requests = openSync(requests, 'w')
    this.#statuses = openSync(statuses, 'r')
    this.#stdout = openSync(this.#path('stdout'), 'a+')
    this.#stderr = openSync(this.#path('stderr'), 'a+')
    const program = join(dirname(binary()), 'program.js')
    this.#process = spawn(process.execPath, [RUNNER, program], {
      cwd,
      env,
      stdio: ['ignore', this.#stdout, this.#stderr, toRead, toWrite],
    })
    this.#process.unref()
    for (const descriptor of [...both, toRead, toWrite]) closeSync(descriptor)
  }

  #path(name: string): string {
    return join(this.#folder, name)
  }

  /** Waits for the command's end, as spawnSync does. */
  run(args: readonly string[]): ProgramResult {
    writeSync(this.#requests, `${JSON.stringify(args)}\n`)
    const status = this.#readStatus()
    const stdout = readFileSync(this.#path('stdout'), 'utf8')
    const stderr = readFileSync(this.#path('stderr'), 'utf8')
    if (status === undefined)
      throw new Error(`pstrace ${args.join(' ')} ended the process:\n${stderr}`)
    ftruncateSync(this.#stdout)
    ftruncateSync(this.#stderr)
    return { status, stdout, stderr }
  }

  /** `undefined` when the process has ended. */
  #readStatus(): number | undefined {
    const bytes = Buffer.alloc(16)
    for (let length = 0; ; ) {
      const more = readSync(this.#statuses, bytes, length, bytes.length - length, null)
      if (more === 0) return undefined
      length += more
      if (bytes[length - 1] === 10) return Number(bytes.toString('latin1', 0, length))
    }
  }

  close(): void {
    this.#process.kill('SIGKILL')
    for (const descriptor of [this.#requests, this.#statuses, this.#stdout, this.#stderr])
      closeSync(descriptor)
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
