import { spawnSync } from 'node:child_process'

/** Whether a command that tests compare with, or make their input with, is there. */
export function isInstalled(command: string): boolean {
  return spawnSync(command, ['--version']).error === undefined
}
