import { describe, expect, it } from 'vitest'
import { type Contents, diagnose } from '../../src/analysis/fitness-of-file.ts'

const STOCK = [
  'direct_begin',
  'direct_end',
  'throttled',
  'kswapd_wake',
  'wakeup_kswapd',
  'shrink_inactive',
  'write_folio',
  'sched_switch',
  'waking',
  'retry_zone',
]
const PROBES = ['gate', 'gate_end', 'swap_read', 'fault', 'fault_end', 'slot_free']

function contents(roles: readonly string[], more: Partial<Contents> = {}): Contents {
  return {
    file: 'trace.dat',
    format: 'trace.dat v7',
    kernel: '6.12.1',
    arch: 'x86_64',
    clock: 'mono',
    cpus: 2,
    events: new Map(),
    count: 1,
    lengthNs: 1,
    roles: new Set(roles),
    described: new Set(),
    gaps: 0,
    lost: 0,
    hasCompressor: false,
    issues: [],
    ...more,
  }
}

function answers(of: Contents): Set<string> {
  return new Set(diagnose(of).map(({ answer }) => answer))
}

describe('diagnose', () => {
  it('answers everything from a recording with all events and probes', () => {
    expect(answers(contents([...STOCK, ...PROBES]))).toEqual(new Set(['yes']))
  })

  it('answers nothing from a file without any such event', () => {
    expect(answers(contents([]))).toEqual(new Set(['no']))
  })

  it('turns every yes into partly when events were lost, and says so', () => {
    const findings = diagnose(contents([...STOCK, ...PROBES], { gaps: 2, lost: undefined }))
    for (const { answer, confidence } of findings) {
      expect(answer).toBe('partly')
      expect(confidence).toContain('an unknown number of events were lost')
    }
  })

  it('names the probe that would tell scan from store', () => {
    const kswapd = diagnose(contents(STOCK)).find(({ question }) =>
      question.includes('scan and store'),
    )
    expect(kswapd?.answer).toBe('partly')
    expect(kswapd?.confidence).toContain('lower mode')
    expect(kswapd?.add).toContain('swap_writepage (swap_writeout from 6.16)')
  })

  it('does not take the end of hand-over for the end of a store where another thread stores', () => {
    const roles = [...STOCK, ...PROBES.filter((role) => role !== 'gate_end')]
    const find = (of: Contents) =>
      diagnose(of).find(({ question }) => question.includes('scan and store'))?.answer
    expect(find(contents(roles))).toBe('yes')
    expect(find(contents(roles, { hasCompressor: true }))).toBe('partly')
  })

  it('counts an event that was recorded but never came as recorded', () => {
    const roles = STOCK.filter((role) => role !== 'throttled')
    const [stalls] = diagnose(contents(roles, { described: new Set(['throttled']) }))
    expect([stalls?.answer, stalls?.add]).toEqual(['yes', ''])
  })
})
