import { PstraceError } from '../model/error.ts'
import { badValue } from '../model/names.ts'

const PROGRESS_MODES = ['auto', 'bar', 'plain', 'json', 'none'] as const
export type ProgressMode = (typeof PROGRESS_MODES)[number]

/** What holds for every command, complete. */
export interface Settings {
  readonly databasePath: string
  readonly progress: ProgressMode
  readonly quiet: boolean
  /** Colour on stdout and stderr: a terminal, and NO_COLOR unset or empty. */
  readonly color: { readonly stdout: boolean; readonly stderr: boolean }
  readonly debug: boolean
}

/** Options as commander hands them over; absent = not given. */
export interface GlobalOptions {
  readonly db?: string
  readonly progress?: string
  readonly quiet?: boolean
}

export interface Terminal {
  readonly stdoutIsTerminal: boolean
  readonly stderrIsTerminal: boolean
}

const DEFAULT_DATABASE = 'pstrace.duckdb'

/** Options win over the environment, the environment over what suits the terminal. */
export function resolveSettings(
  options: GlobalOptions,
  environment: Readonly<Record<string, string | undefined>>,
  terminal: Terminal,
): Settings {
  const wantsColor = (environment['NO_COLOR'] ?? '') === '' && environment['TERM'] !== 'dumb'
  return {
    databasePath: options.db ?? (environment['PSTRACE_DB'] || DEFAULT_DATABASE),
    progress: resolveProgress(options.progress, terminal),
    quiet: options.quiet ?? false,
    color: {
      stdout: wantsColor && terminal.stdoutIsTerminal,
      stderr: wantsColor && terminal.stderrIsTerminal,
    },
    debug: (environment['PSTRACE_DEBUG'] ?? '') !== '',
  }
}

function resolveProgress(given: string | undefined, terminal: Terminal): ProgressMode {
  if (given === undefined || given === 'auto') return terminal.stderrIsTerminal ? 'bar' : 'none'
  const mode = PROGRESS_MODES.find((known) => known === given)
  if (mode === undefined) throw badValue('--progress', given, `one of ${PROGRESS_MODES.join(', ')}`)
  return mode
}

/** A whole number within bounds, from an option. */
export function parseCount(
  option: string,
  text: string,
  least = 0,
  most = Number.MAX_SAFE_INTEGER,
): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < least || value > most)
    throw badValue(
      option,
      text,
      most === Number.MAX_SAFE_INTEGER && !(value > most)
        ? `a whole number from ${least}`
        : `a whole number from ${least} to ${most}`,
    )
  return value
}

/** `key=value` pairs of a repeatable option; a key given twice is an error, since one of the two would be lost. */
export function parseAssignments(option: string, pairs: readonly string[]): Map<string, string> {
  const values = new Map<string, string>()
  for (const pair of pairs) {
    const split = pair.indexOf('=')
    if (split < 1) throw badValue(option, pair, 'key=value, such as vm.kcompressd=24')
    const key = pair.slice(0, split).trim()
    if (values.has(key))
      throw new PstraceError('bad-value', `${option}: ${key} is given twice`, { exitStatus: 2 })
    values.set(key, pair.slice(split + 1).trim())
  }
  return values
}
