import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openTrace } from '../../parsers/index.ts'
import { roleOf } from '../../src/ingest/aliases.ts'
import { openFolder } from '../../src/io/folder-source.ts'
import { readSnapshots } from '../../src/io/snapshots.ts'
import { ARCHES, type Kernel, parseArch, parseKernel } from '../../src/recipes/kernel.ts'
import { addressOffset, entryOffset, probesOf } from '../../src/recipes/probes.ts'
import { type RecipeOptions, TOOLS, toPerfettoConfig, toScript } from '../../src/recipes/recipe.ts'
import { generatedFolder, scenarioNamed } from '../generate/file.ts'
import { forEachEvent } from '../parsers/open-bytes.ts'

/** Every release from 4.9 to 7.1 (4.20 was the last of 4, 5.19 of 5, 6.19 of 6). */
const KERNELS: readonly Kernel[] = [
  [4, 9, 20],
  [5, 0, 19],
  [6, 0, 19],
  [7, 0, 1],
].flatMap(([major = 0, first = 0, last = 0]) =>
  Array.from({ length: last - first + 1 }, (_, i) => ({ major, minor: first + i })),
)
const has = (command: string) => spawnSync(command, ['--version']).error === undefined
const protos = process.env['PSTRACE_PERFETTO_PROTOS']
const isRoot = process.getuid?.() === 0

function recipe(options: Partial<RecipeOptions>): RecipeOptions {
  return {
    tool: 'tracefs',
    kernel: { major: 6, minor: 12 },
    arch: 'x86_64',
    adb: false,
    seconds: 30,
    bufferKib: 32_768,
    ...options,
  }
}

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pstrace-recipe-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('kernel releases', () => {
  it.each([
    ['6.12', 6, 12],
    ['5.10.43-android12-9-00031-g5b153f189546-ab7618735', 5, 10],
    ['android14-6.1', 6, 1],
    ['6.12.95+deb12-amd64', 6, 12],
    ['7.1-rc3', 7, 1],
  ])('%s is understood', (text, major, minor) => {
    expect(parseKernel(text)).toEqual({ major, minor })
  })

  it.each(['', 'linux', '3.18', '4.8', '9.0', '6'])('"%s" is refused', (text) => {
    expect(() => parseKernel(text)).toThrow(/kernel/)
  })

  it('and machines without known struct offsets are refused', () => {
    expect(parseArch('aarch64')).toBe('arm64')
    expect(() => parseArch('armv7l')).toThrow(/x86_64 and arm64/)
  })
})

describe('probes', () => {
  it('have the offsets and argument forms of each kernel', () => {
    expect(entryOffset({ major: 4, minor: 17 })).toBe(48)
    expect(entryOffset({ major: 4, minor: 18 })).toBe(40)
    expect(addressOffset({ major: 4, minor: 9 })).toBe(8)
    expect(addressOffset({ major: 4, minor: 10 })).toBe(24)
    const [gate] = probesOf({ kernel: { major: 4, minor: 19 }, arch: 'arm64' })
    expect(gate?.fetch).toBe('entry=+40(%x0):x64')
    const [modern] = probesOf({ kernel: { major: 6, minor: 16 }, arch: 'x86_64' })
    expect(modern?.fetch).toBe('entry=+40($arg1):x64')
    expect(modern?.functions[0]).toBe('swap_writeout')
  })

  it('have names that ingest knows, in every kernel', () => {
    const known = new Set(['zswap_store', 'zswap_load', 'zswap_frontswap_store'])
    for (const kernel of KERNELS)
      for (const { event } of probesOf({ kernel, arch: 'arm64' }))
        expect([event, known.has(event) || roleOf('pstrace', event) !== undefined]).toEqual([
          event,
          true,
        ])
  })
})

describe.each(TOOLS)('scripts for %s', (tool) => {
  it('are valid shell for every kernel, machine and adb', () => {
    const checked = new Set<string>()
    for (const kernel of KERNELS)
      for (const arch of ARCHES)
        for (const adb of [false, true]) {
          const script = toScript(recipe({ tool, kernel, arch, adb }))
          expect(script).not.toMatch(/undefined|NaN|\[object/)
          // Scripts that differ in a number only need no second shell.
          const shape = script.replaceAll(/\d+\.\d+|\d+/g, '0')
          if (checked.has(shape)) continue
          checked.add(shape)
          for (const shell of ['sh', 'bash'].filter(has)) {
            const run = spawnSync(shell, ['-n'], { input: script, encoding: 'utf8' })
            expect([run.status, run.stderr]).toEqual([0, ''])
          }
          if (has('shellcheck')) {
            const run = spawnSync('shellcheck', ['-s', 'sh', '-S', 'warning', '-'], {
              input: script,
              encoding: 'utf8',
            })
            expect(run.stdout).toBe('')
          }
        }
  })

  it('leave nothing out of what a replay needs, and filter nothing', () => {
    const script = toScript(recipe({ tool }))
    for (const needed of [
      'vmscan',
      'oom',
      'sched_switch',
      'sched_waking',
      'mm_compaction_begin',
      'swap_writeout swap_writepage',
      'zram_slot_free_notify',
      '/proc/$file',
      'zram.mm_stat',
    ])
      expect(script).toContain(needed)
    expect(script).not.toMatch(/filter(?!_functions)/)
  })
})

/** A folder that stands for tracefs, with a recording in it. */
function fakeTracefs(name: string): string {
  const path = join(folder, name)
  generatedFolder({ scenario: scenarioNamed('phone'), events: 300 }, path)
  writeFileSync(join(path, 'kprobe_events'), '')
  writeFileSync(
    join(path, 'available_filter_functions'),
    'do_swap_page\nswap_writepage\nswap_read_folio [mod]\nswap_writepage_bdev\n',
  )
  for (const group of ['vmscan', 'oom', 'sched/sched_switch', 'sched/sched_waking'])
    mkdirSync(join(path, 'events', group), { recursive: true })
  for (const file of [
    'tracing_on',
    'buffer_size_kb',
    'trace',
    'events/vmscan/enable',
    'events/oom/enable',
  ])
    writeFileSync(join(path, file), '')
  return path
}

function run(script: string, tracefs: string, out: string, path = process.env['PATH'] ?? '') {
  const file = join(folder, 'script.sh')
  writeFileSync(file, script)
  const result = spawnSync('sh', [file, '1'], {
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: 15_000,
    env: { PATH: path, TRACEFS: tracefs, OUT: out },
  })
  return { status: result.status, errors: result.stderr }
}

describe.runIf(isRoot)('a script that runs', () => {
  it('records a folder that pstrace reads, with its snapshots', async () => {
    const tracefs = fakeTracefs('tracefs')
    const out = join(folder, 'recorded')
    const { status, errors } = run(toScript(recipe({ tool: 'tracefs' })), tracefs, out)
    expect([status, errors]).toEqual([0, expect.stringContaining('recorded into')])
    const count = async (path: string) => {
      const reader = await openTrace(openFolder(path))
      let events = 0
      forEachEvent(reader, () => events++)
      reader.close()
      return events
    }
    expect(await count(out)).toBe(await count(tracefs))
    const snapshots = readSnapshots(out)
    for (const name of [
      'vmstat.before',
      'vmstat.after',
      'zoneinfo.before',
      'swaps.after',
      'uname',
      'ncpu',
      'cmdline',
    ])
      expect([name, snapshots.has(name)]).toEqual([name, true])
  })

  it('sets the probes whose function the kernel has, by its own name, and names the others', () => {
    const tracefs = fakeTracefs('probes')
    const { errors } = run(toScript(recipe({ tool: 'tracefs' })), tracefs, join(folder, 'out'))
    const added = readFileSync(join(tracefs, 'kprobe_events'), 'utf8')
      .split('\n')
      .filter((line) => /^[pr]:/.test(line))
    expect(added).toEqual([
      'p:pstrace/swap_writepage swap_writepage entry=+40($arg1):x64',
      'r:pstrace/swap_writepage_ret swap_writepage ret=$retval:s32',
      'p:pstrace/swap_read_folio swap_read_folio entry=+40($arg1):x64',
      'p:pstrace/do_swap_page do_swap_page addr=+24($arg1):x64',
      'r:pstrace/do_swap_page_ret do_swap_page ret=$retval:x32',
    ])
    expect(errors).toContain('no probe zram_slot_free (zram_slot_free_notify)')
  })

  it.each(['trace-cmd', 'perf', 'perfetto'] as const)('calls %s with all events', (tool) => {
    const tracefs = fakeTracefs(`with-${tool}`)
    const bin = join(folder, `bin-${tool}`)
    mkdirSync(bin, { recursive: true })
    const calls = join(bin, 'calls')
    writeFileSync(join(bin, tool), `#!/bin/sh\necho "$@" >>${calls}\ncat >>${calls}\n`)
    chmodSync(join(bin, tool), 0o755)
    const path = `${bin}:${process.env['PATH'] ?? ''}`
    const { status } = run(toScript(recipe({ tool })), tracefs, join(folder, `out-${tool}`), path)
    expect(status).toBe(0)
    const called = readFileSync(calls, 'utf8')
    const separator = tool === 'perfetto' ? '/' : ':'
    expect(called).toContain(`sched${separator}sched_switch`)
    if (tool === 'perfetto') expect(called).toContain('duration_ms: 1000')
    else expect(called).toMatch(/-e vmscan(:\*)? /)
  })
})

describe.runIf(protos !== undefined && has('protoc'))('configurations for Perfetto', () => {
  it('are valid TraceConfigs for every kernel', () => {
    for (const kernel of KERNELS) {
      const { status, stderr } = spawnSync(
        'protoc',
        [
          `-I${protos}`,
          '--encode=perfetto.protos.TraceConfig',
          join(protos ?? '', 'protos/perfetto/config/trace_config.proto'),
        ],
        { input: toPerfettoConfig(recipe({ tool: 'perfetto', kernel })), encoding: 'latin1' },
      )
      expect([status, stderr]).toEqual([0, ''])
    }
  })
})

it.runIf(!isRoot || protos === undefined)('not everything was checked here', () => {
  if (!isRoot) process.stdout.write('recipes: skipped running scripts, which need root\n')
  if (protos === undefined)
    process.stdout.write('recipes: skipped protoc, PSTRACE_PERFETTO_PROTOS is not set\n')
})
