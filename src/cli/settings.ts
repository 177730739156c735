import { type GlobalOptions, resolveSettings, type Settings } from '../config/settings.ts'

/** The settings of this process: options, environment and terminal. */
export function toSettings(options: GlobalOptions): Settings {
  return resolveSettings(options, process.env, {
    stdoutIsTerminal: process.stdout.isTTY === true,
    stderrIsTerminal: process.stderr.isTTY === true,
  })
}
