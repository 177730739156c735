import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseEventFormat } from '../../parsers/event-format.ts'
import { tracesFolder } from '../shared/given-folders.ts'
import { formatText } from './trace-dat-builder.ts'

const deviceFormats =
  tracesFolder === undefined ? undefined : join(tracesFolder, 'public', 'event-formats')

function kindsOf(fields: Parameters<typeof formatText>[2], longSize: 4 | 8 = 8) {
  const record = parseEventFormat(formatText('x', 9, fields), 'test', longSize)
  return record?.format.fields.map(({ name, kind, element }) =>
    element === undefined ? `${name} ${kind}` : `${name} ${kind} ${element}`,
  )
}

describe('parseEventFormat', () => {
  it('keeps name, id, system and print format, and takes the common fields out', () => {
    const record = parseEventFormat(
      formatText('mm_x', 525, [['unsigned long pfn', 8, 8, 0]], '"pfn=0x%lx", REC->pfn'),
      'vmscan',
      8,
    )
    expect(record?.format).toEqual({
      system: 'vmscan',
      name: 'mm_x',
      id: 525,
      printFmt: '"pfn=0x%lx", REC->pfn',
      fields: [
        { name: 'pfn', type: 'unsigned long', offset: 8, size: 8, signed: false, kind: 'u64' },
      ],
    })
    expect(record?.common).toEqual({
      typeOffset: 0,
      typeSize: 2,
      flagsOffset: 2,
      preemptOffset: 3,
      pidOffset: 4,
    })
    expect(record?.minBytes).toBe(16)
  })

  it('chooses the column by size, sign and type', () => {
    expect(
      kindsOf([
        ['int a', 8, 4, 1],
        ['const struct foo *b', 16, 8, 0],
        ['char comm[TASK_COMM_LEN]', 24, 16, 0],
        ['unsigned long args[6]', 40, 48, 0],
        ['struct in6_addr addr', 88, 16, 0],
        ['__u8 saddr[4]', 104, 4, 0],
        ['__data_loc char[] msg', 108, 4, 1],
        ['__rel_loc unsigned long[] stack', 112, 4, 0],
        ['__data_loc cpumask_t mask', 116, 4, 0],
        ['u32 buf[]', 120, 0, 0],
      ]),
    ).toEqual([
      'a i32',
      'b u64',
      'comm string',
      'args list u64',
      'addr bytes',
      'saddr bytes',
      'msg string',
      'stack list u64',
      'mask bytes',
      'buf list u32',
    ])
  })

  it('takes the size of a long in a dynamic array from the kernel', () => {
    const record = parseEventFormat(
      formatText('x', 9, [['__data_loc long[] v', 8, 4, 1]]),
      'test',
      4,
    )
    expect(record?.plans[0]?.elementSize).toBe(4)
    expect(record?.format.fields[0]?.element).toBe('i32')
  })

  it('asks for no more bytes than the scalar fields and locations need', () => {
    const record = parseEventFormat(
      formatText('x', 9, [
        ['int n', 8, 4, 1],
        ['unsigned long caller[8]', 16, 64, 0],
      ]),
      'test',
      8,
    )
    expect(record?.minBytes).toBe(12)
  })

  it('never throws and never invents a record from text', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 300 }), (noise) => {
        const record = parseEventFormat(`name: n\nID: 3\nformat:\n${noise}`, 's', 8)
        expect(record?.format.id).toBe(3)
      }),
    )
    const long = `\tfield:${'_'.repeat(100_000)}!;\toffset:8;\tsize:8;\tsigned:0;\n`
    expect(parseEventFormat(`name: n\nID: 3\nformat:\n${long}`, 's', 8)?.undecodable).toContain(
      'not understood',
    )
    expect(parseEventFormat('', 's', 8)).toBe(undefined)
    expect(parseEventFormat('name: n\nID: 70000\n', 's', 8)).toBe(undefined)
  })
})

describe.runIf(deviceFormats !== undefined && existsSync(deviceFormats))(
  'format files of real devices',
  () => {
    it('are all decodable', () => {
      const folder = deviceFormats ?? ''
      const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) =>
        path.endsWith('format'),
      )
      const odd: string[] = []
      for (const path of files) {
        const text = readFileSync(join(folder, path), 'latin1')
        if (!text.includes('format:')) continue
        const record = parseEventFormat(text, 'x', 8)
        if (record === undefined || record.undecodable !== undefined)
          odd.push(`${path}: ${record?.undecodable}`)
      }
      expect(files.length).toBeGreaterThan(100)
      expect(odd).toEqual([])
    })
  },
)

describe('format files of real devices', () => {
  it('are parsed, or their absence is told', ({ annotate }) => {
    if (deviceFormats === undefined) return annotate('skipped: PSTRACE_TRACES is not set')
    expect(deviceFormats).toContain('event-formats')
    return undefined
  })
})
