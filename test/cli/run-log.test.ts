import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openRunLog } from '../../src/cli/run-log.ts'
import type { ReplayLogEvent } from '../../src/replay/log-events.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pstrace-log-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

function eventOf(event: ReplayLogEvent['event'], ns: number): ReplayLogEvent {
  return { ns, event, task: 0, thread: '', page: -1, value: 0 }
}

describe('the log of a command that is stopped', () => {
  it('holds the runs that came to their end', () => {
    const log = openRunLog(join(folder, 'a.ndjson'), { force: false })
    for (const name of ['begin', 'wake', 'end', 'begin', 'wake'] as const)
      log.write(eventOf(name, 7))
    log.close()
    expect(readdirSync(folder)).toEqual(['a.ndjson'])
    const [, ...lines] = readFileSync(join(folder, 'a.ndjson'), 'utf8').trimEnd().split('\n')
    expect(lines.map((line) => (JSON.parse(line) as ReplayLogEvent).event)).toEqual([
      'begin',
      'wake',
      'end',
    ])
  })

  it('is not there where no run came to its end', () => {
    const log = openRunLog(join(folder, 'a.ndjson'), { force: false })
    log.write(eventOf('begin', 0))
    log.close()
    expect(readdirSync(folder)).toEqual([])
  })
})

describe('a log that goes into a device', () => {
  it('tells that it is full, and leaves the device', () => {
    const log = openRunLog('/dev/full', { force: true })
    log.write(eventOf('begin', 0))
    expect(() => log.write(eventOf('end', 1))).toThrow('no space is left on its device')
    log.close()
    expect(lstatSync('/dev/full').isCharacterDevice()).toBe(true)
  })
})
