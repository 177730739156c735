import { describe, expect, it } from 'vitest'
import { diagnose, type Evidence, recordedRoles } from '../../src/analysis/fitness.ts'
import { roleOf } from '../../src/ingest/aliases.ts'

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
  'demand',
  'swap-outs',
]
const PROBES = [
  'gate',
  'gate:entry',
  'gate_end',
  'swap_read',
  'swap_read:entry',
  'fault',
  'fault_end',
  'slot_free',
]

function evidence(roles: readonly string[], more: Partial<Evidence> = {}): Evidence {
  return {
    roles: new Set(roles),
    gaps: 0,
    lost: 0,
    hasCompressor: false,
    hasZoneinfo: true,
    hasVmstat: true,
    hasDisk: false,
    ...more,
  }
}

function answers(of: Evidence): Set<string> {
  return new Set(diagnose(of).map(({ answer }) => answer))
}

function find(of: Evidence, question: string) {
  return diagnose(of).find((finding) => finding.question.includes(question))
}

describe('diagnose', () => {
  it('answers everything from a recording with all events and probes', () => {
    expect(answers(evidence([...STOCK, ...PROBES]))).toEqual(new Set(['yes']))
  })

  it('answers nothing from a file without any such event', () => {
    expect(answers(evidence([], { hasVmstat: false }))).toEqual(new Set(['no']))
  })

  it('turns every yes into partly when events were lost, and says so', () => {
    const findings = diagnose(evidence([...STOCK, ...PROBES], { gaps: 2, lost: undefined }))
    for (const { answer, confidence } of findings) {
      expect(answer).toBe('partly')
      expect(confidence).toContain('an unknown number of events were lost')
    }
  })

  it('says what each partial answer rests on, whichever events are missing', () => {
    const all = [...STOCK, ...PROBES]
    for (const one of all)
      for (const other of all) {
        const findings = diagnose(evidence(all.filter((role) => role !== one && role !== other)))
        for (const { question, answer, confidence } of findings)
          expect(confidence, `${question}: ${answer} without ${one} and ${other}`).not.toBe('')
      }
  })

  it('tells what reclaim for memory cgroups was spent on where direct reclaim was not recorded', () => {
    const roles = [...STOCK, ...PROBES].filter((role) => !role.startsWith('direct_'))
    expect(find(evidence(roles), 'spent on')?.answer).toBe('no')
    const memcg = find(evidence([...roles, 'memcg_begin', 'memcg_end']), 'spent on')
    expect(memcg?.answer).toBe('partly')
    expect(memcg?.confidence).toBe('reclaim for memory cgroups only')
  })

  it('names the probe that would tell scan from store', () => {
    const kswapd = find(evidence(STOCK), 'scan and store')
    expect(kswapd?.answer).toBe('partly')
    expect(kswapd?.confidence).toContain('lower mode')
    expect(kswapd?.add).toContain('swap_writepage (swap_writeout from 6.16)')
  })

  it('does not take the end of hand-over for the end of a store where another thread stores', () => {
    const roles = [...STOCK, ...PROBES.filter((role) => role !== 'gate_end')]
    expect(find(evidence(roles), 'scan and store')?.answer).toBe('yes')
    expect(find(evidence(roles, { hasCompressor: true }), 'scan and store')?.answer).toBe('partly')
  })

  it('follows no page by probes that leave out the swap entry, but tells what a store cost', () => {
    const roles = [...STOCK, ...PROBES.filter((role) => !role.endsWith(':entry'))]
    expect(find(evidence(roles), 'refaults')?.answer).toBe('no')
    expect(find(evidence(roles), 'scan and store')?.answer).toBe('yes')
    expect(find(evidence(roles), 'replay')?.confidence).toContain('pages without identity')
  })

  it('replays nothing where no page was swapped out', () => {
    const roles = [...STOCK, ...PROBES].filter((role) => role !== 'swap-outs')
    expect(find(evidence(roles), 'replay')).toMatchObject({
      answer: 'no',
      confidence: 'no page was swapped out',
    })
  })

  it('replays nothing where no task asked for memory', () => {
    const roles = [...STOCK, ...PROBES].filter((role) => role !== 'demand')
    expect(find(evidence(roles), 'replay')).toMatchObject({
      answer: 'no',
      confidence: 'no task reclaimed, woke kswapd or swapped in',
    })
  })

  it('asks for no file that lies beside the trace', () => {
    const adds = (more: Partial<Evidence>) =>
      diagnose(evidence([...STOCK, ...PROBES], more))
        .map(({ add }) => add)
        .join('; ')
    expect(adds({})).not.toContain('/proc')
    expect(adds({ hasZoneinfo: false, hasVmstat: false })).toMatch(/zoneinfo.*vmstat/)
  })
})

describe('recorded events', () => {
  const kind = (system: string, name: string, count = 0, fields: string[] = []) => ({
    system,
    name,
    count,
    fields,
  })
  const all = Array.from({ length: 40 }, (_, i) => kind(`system${i}`, 'event'))

  it('are those that came, and those that never came of a file that describes what it was asked for', () => {
    const events = [
      kind('vmscan', 'mm_vmscan_kswapd_wake', 3),
      kind('vmscan', 'mm_vmscan_throttled'),
    ]
    expect([...recordedRoles(events, roleOf)]).toEqual(['kswapd_wake', 'throttled'])
  })

  it('are only those that came where the file describes all that the kernel has', () => {
    const events = [
      ...all,
      kind('vmscan', 'mm_vmscan_kswapd_wake', 3),
      kind('vmscan', 'mm_vmscan_throttled'),
    ]
    expect([...recordedRoles(events, roleOf)]).toEqual(['kswapd_wake'])
  })

  it('tell probes with the swap entry from those without', () => {
    const events = [
      kind('pstrace', 'swap_writepage', 1, ['__probe_ip', 'entry']),
      kind('mine', 'swap_read_folio', 1, ['__probe_ip']),
    ]
    expect([...recordedRoles(events, roleOf)]).toEqual([
      'gate',
      'swap-outs',
      'gate:entry',
      'swap_read',
      'demand',
    ])
  })
})
