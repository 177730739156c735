import { SLOWEST_CPU } from '../model/cpu-speed.ts'
import { badValue } from '../model/names.ts'

/** Speeds of CPUs from `4` (four at speed 1) or `4x1.0+4x0.4`; 1 = the fastest recorded CPU. */
export function parseCpus(text: string): number[] {
  const expected = `a number of CPUs (4) or groups COUNTxSPEED joined by + (4x1.0+4x0.4), of a speed from ${SLOWEST_CPU}`
  if (/^\d+$/.test(text)) {
    const count = Number(text)
    if (count < 1 || count > 4096) throw badValue('--cpus', text, expected)
    return new Array<number>(count).fill(1)
  }
  const speeds: number[] = []
  for (const group of text.split('+')) {
    const match = /^(\d+)x(\d+(?:\.\d+)?)$/.exec(group.trim())
    const count = Number(match?.[1] ?? 0)
    const speed = Number(match?.[2] ?? 0)
    if (match === null || count < 1 || speed < SLOWEST_CPU || speeds.length + count > 4096)
      throw badValue('--cpus', text, expected)
    for (let i = 0; i < count; i++) speeds.push(speed)
  }
  return speeds
}
