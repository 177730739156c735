import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openTrace } from '../../parsers/index.ts'
import { diagnose } from '../../src/analysis/fitness.ts'
import { roleOf } from '../../src/ingest/aliases.ts'
import { openFolder } from '../../src/io/folder-source.ts'
import { readSnapshots } from '../../src/io/snapshots.ts'
import { ARCHES, type Kernel, parseArch, parseKernel } from '../../src/recipes/kernel.ts'
import { addressOffset, entryOffset, probesOf } from '../../src/recipes/probes.ts'
import {
  DEVICE_HOME,
  type RecipeOptions,
  TOOLS,
  toPerfettoConfig,
  toScript,
} from '../../src/recipes/recipe.ts'
import { generatedFolder, scenarioNamed } from '../generate/file.ts'
import { forEachEvent } from '../parsers/open-bytes.ts'
import { perfettoSources } from '../shared/given-folders.ts'
import { isInstalled } from '../shared/installed.ts'

/** Every release from 4.9 to 7.1 (4.20 was the last of 4, 5.19 of 5, 6.19 of 6). */
const KERNELS: readonly Kernel[] = [
  [4, 9, 20],
  [5, 0, 19],
  [6, 0, 19],
  [7, 0, 1],
].flatMap(([major = 0, first = 0, last = 0]) =>
  Array.from({ length: last - first + 1 }, (_, i) => ({ major, minor: first + i })),
)
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
          for (const shell of ['sh', 'dash', 'bash', 'mksh'].filter(isInstalled)) {
            const run = spawnSync(shell, ['-n'], { input: script, encoding: 'utf8' })
            expect([run.status, run.stderr]).toEqual([0, ''])
          }
          if (isInstalled('shellcheck')) {
            // SC2016: fetch arguments have a $ of their own.
            const run = spawnSync('shellcheck', ['-s', 'sh', '-S', 'style', '-e', 'SC2016', '-'], {
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

  it("tell of memory as it is when recording begins, with the kernel's buffers taken", () => {
    const steps = toScript(recipe({ tool })).split('\n')
    const buffers = steps.indexOf('set_buffers')
    expect(buffers >= 0).toBe(tool === 'tracefs' || tool === 'trace-cmd')
    expect(steps.indexOf('snapshot before')).toBeGreaterThan(buffers)
  })
})

describe('what doctor asks for', () => {
  /** Events, functions and files that a sentence names. */
  const NAMED =
    /\b(?:mm_\w+|sched_\w+|reclaim_retry_zone|block_rq_\w+|swap_\w+|do_swap_page|zram_\w+)\b|\/proc\/\w+/g
  const GROUPS_OF: readonly (readonly [RegExp, string])[] = [
    [/^mm_(vmscan|shrink_slab)_/, 'vmscan'],
    [/^reclaim_retry_zone$/, 'oom'],
    [/^\/proc\//, '/proc/$file'],
  ]
  const asked = diagnose({
    roles: new Set(['block_issue']),
    gaps: 0,
    lost: 0,
    hasCompressor: false,
    hasZoneinfo: false,
    hasVmstat: false,
    hasDisk: true,
  }).flatMap(({ add }) => [...add.matchAll(NAMED)].map(([name]) => name))

  it.each(TOOLS)('is recorded by the recipe for %s, whatever the kernel', (tool) => {
    expect(new Set(asked).size).toBeGreaterThan(12)
    for (const kernel of KERNELS) {
      const script = toScript(recipe({ tool, kernel }))
      const missing = asked.filter((name) => {
        // Recipes ask for whole groups, and for all files of /proc in one loop.
        const group = GROUPS_OF.find(([pattern]) => pattern.test(name))?.[1] ?? name
        return !script.includes(group)
      })
      expect([kernel, missing]).toEqual([kernel, []])
    }
  })
})

const FILES_OF_TRACEFS = ['tracing_on', 'buffer_size_kb', 'trace', 'kprobe_events']
const GROUPS = ['vmscan', 'oom', 'sched/sched_switch', 'sched/sched_waking', 'pstrace']
const REQUESTS = ['block/block_rq_issue', 'block/block_rq_complete']

/** A folder that stands for tracefs, with a recording in its buffers. */
function fakeTracefs(name: string, scenario = 'phone'): string {
  const path = join(folder, name)
  generatedFolder({ scenario: scenarioNamed(scenario), events: 300 }, path)
  for (const cpu of readdirSync(join(path, 'per_cpu'))) {
    const buffer = join(path, 'per_cpu', cpu)
    const { size } = statSync(join(buffer, 'trace_pipe_raw'))
    writeFileSync(
      join(buffer, 'stats'),
      `entries: 0\noverrun: 0\nbytes: ${size}\ndropped events: 0\n`,
    )
  }
  writeFileSync(
    join(path, 'available_filter_functions'),
    'do_swap_page\nswap_writepage\nswap_read_folio [mod]\nswap_writepage_bdev\n',
  )
  for (const group of [...GROUPS, ...REQUESTS]) {
    mkdirSync(join(path, 'events', group), { recursive: true })
    writeFileSync(join(path, 'events', group, 'enable'), '')
  }
  for (const file of FILES_OF_TRACEFS) writeFileSync(join(path, file), '')
  writeFileSync(join(path, 'buffer_size_kb'), '1408\n')
  writeFileSync(join(path, 'trace_clock'), '[local] global mono\n')
  return path
}

/** A command of that name in a folder of its own. */
function standIn(name: string, script: string): string {
  const bin = mkdtempSync(join(folder, 'bin-'))
  writeFileSync(join(bin, name), `#!/bin/sh\n${script}`)
  chmodSync(join(bin, name), 0o755)
  return bin
}

/** Reading a buffer of the kernel takes its pages out of it, and its counters know. */
const TAKING_DD = `for word in "$@"; do case $word in if=*) file=\${word#if=} ;; bs=*) page=\${word#bs=} ;; count=*) count=\${word#count=} ;; esac; done
head -c "$((page * count))" "$file"
tail -c "+$((page * count + 1))" "$file" >"$file.rest"
cat "$file.rest" >"$file"
sed "s/^bytes: .*/bytes: $(wc -c <"$file")/" "\${file%/*}/stats" >"$file.rest"
cat "$file.rest" >"\${file%/*}/stats"
rm "$file.rest"
`

function run(
  script: string,
  options: { tracefs: string; out: string; bins?: readonly string[]; env?: Record<string, string> },
) {
  const file = join(folder, 'script.sh')
  writeFileSync(file, script)
  const bins = [...(options.bins ?? []), standIn('dd', TAKING_DD), process.env['PATH'] ?? '']
  const result = spawnSync('sh', [file, '1'], {
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: 120_000,
    env: { PATH: bins.join(':'), TRACEFS: options.tracefs, OUT: options.out, ...options.env },
  })
  return { status: result.status, errors: result.stderr }
}

async function countEvents(path: string): Promise<number> {
  const reader = await openTrace(openFolder(path))
  let events = 0
  forEachEvent(reader, () => events++)
  reader.close()
  return events
}

/** The script with each write into tracefs told to `log` as well. */
function withLog(script: string, log: string): string {
  return script.replaceAll(
    /(echo [^|;&\n]*?)(>>?)"\$T\/([^"]+)"/g,
    (_, echo: string, how: string, path: string) =>
      `${echo}| { read -r line || :; echo "${path}=$line" >>'${log}'; echo "$line" ${how}"$T/${path}"; }`,
  )
}

describe.runIf(isRoot)('a script that runs', () => {
  it('records a folder that pstrace reads, with its snapshots', async () => {
    const tracefs = fakeTracefs('tracefs')
    const out = join(folder, 'recorded')
    const events = await countEvents(tracefs)
    const { status, errors } = run(toScript(recipe({ tool: 'tracefs' })), { tracefs, out })
    expect([status, errors]).toEqual([0, expect.stringContaining('recorded into')])
    expect(await countEvents(out)).toBe(events)
    const snapshots = readSnapshots(out)
    for (const name of [
      'vmstat.before',
      'vmstat.after',
      'zoneinfo.before',
      'pagetypeinfo.before',
      'swaps.after',
      'swappiness',
      'page-cluster',
      'processes.before',
      'config',
      'uname',
      'ncpu',
      'cmdline',
    ])
      expect([name, snapshots.has(name)]).toEqual([name, true])
    const processes = snapshots.get('processes.after')?.split('\n')
    const own = `/proc/${process.pid}/`
    expect(
      processes?.filter((line) => line.startsWith(own)).map((line) => line.split(/[:/]/)[3]),
    ).toEqual(expect.arrayContaining(['status', 'oom_score_adj', 'cmdline']))
  })

  it('sets up before it starts, and puts everything back after it has stopped', () => {
    const tracefs = fakeTracefs('order')
    const log = join(folder, 'order.log')
    const { status } = run(withLog(toScript(recipe({ tool: 'tracefs' })), log), {
      tracefs,
      out: join(folder, 'ordered'),
    })
    expect(status).toBe(0)
    const steps = readFileSync(log, 'utf8').trimEnd().split('\n')
    const first = (step: string) => steps.indexOf(step)
    const last = (step: string) => steps.lastIndexOf(step)
    const probes = steps.findIndex((step) => step.startsWith('kprobe_events=p:'))
    const begun = steps.indexOf('tracing_on=1', first('trace='))
    const ended = steps.indexOf('tracing_on=0', begun)
    const inOrder = [
      first('tracing_on=0'),
      first('events/vmscan/enable=0'),
      probes,
      first('buffer_size_kb=32768'),
      first('trace_clock=mono'),
      first('trace='),
      first('events/vmscan/enable=1'),
      first('events/sched/sched_waking/enable=1'),
      first('events/pstrace/enable=1'),
      begun,
      ended,
      last('events/vmscan/enable=0'),
      last('events/pstrace/enable=0'),
      last('trace_clock=local'),
      last('buffer_size_kb=1408'),
    ]
    expect(inOrder).not.toContain(-1)
    expect([...inOrder].sort((a, b) => a - b)).toEqual(inOrder)
    expect(steps.at(-1)).toBe('tracing_on=1')
  })

  describe.each(['tracefs', 'trace-cmd'] as const)(
    'with %s, which reads the buffers of the kernel',
    (tool) => {
      const setUp = (name: string) => {
        const tracefs = fakeTracefs(`${tool}-${name}`)
        const called = join(folder, `${name}-${tool}`)
        const bins = tool === 'tracefs' ? [] : [standIn(tool, `echo "$@" >>${called}\n`)]
        return { tracefs, called, bins, out: join(folder, `${name}-out-${tool}`) }
      }

      it('halves them until the kernel has memory for them, and says so', () => {
        const { tracefs, called, ...rest } = setUp('little-memory')
        // A kernel with memory for 8 MiB only.
        const script = toScript(recipe({ tool })).replace(
          '{ echo "$BUFFER_KIB" >"$T/buffer_size_kb"; }',
          '{ [ "$BUFFER_KIB" -le 8192 ] && echo "$BUFFER_KIB" >"$T/buffer_size_kb"; }',
        )
        const { status, errors } = run(script, { tracefs, ...rest })
        expect([status, errors]).toEqual([0, expect.stringContaining('recorded into')])
        expect(errors).toContain('no memory for buffers of 32768 KiB per CPU, they have 8192\n')
        if (tool === 'trace-cmd') expect(readFileSync(called, 'utf8')).toContain('-b 8192 ')
        expect(readFileSync(join(tracefs, 'buffer_size_kb'), 'utf8')).toBe('1408\n')
      })

      it('stops where their size cannot be set at all, and puts everything back', () => {
        const { tracefs, called, ...rest } = setUp('no-size')
        rmSync(join(tracefs, 'buffer_size_kb'))
        mkdirSync(join(tracefs, 'buffer_size_kb'))
        const { status, errors } = run(toScript(recipe({ tool })), { tracefs, ...rest })
        expect([status, errors]).toEqual([1, expect.stringContaining('takes no size')])
        expect(errors).not.toContain('recorded into')
        expect(readFileSync(join(tracefs, 'trace_clock'), 'utf8')).toBe('local\n')
      })
    },
  )

  it('sets the probes whose function the kernel has, by its own name, and names the others', () => {
    const tracefs = fakeTracefs('probes')
    const { errors } = run(toScript(recipe({ tool: 'tracefs' })), {
      tracefs,
      out: join(folder, 'out'),
    })
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
    const calls = join(folder, `calls-${tool}`)
    const bins = [standIn(tool, `echo "$@" >>${calls}\ncat >>${calls}\n`)]
    const out = join(folder, `out-${tool}`)
    const { status } = run(toScript(recipe({ tool })), { tracefs, out, bins })
    expect(status).toBe(0)
    const called = readFileSync(calls, 'utf8')
    const separator = tool === 'perfetto' ? '/' : ':'
    expect(called).toContain(`sched${separator}sched_switch`)
    if (tool === 'perfetto') expect(called).toContain('duration_ms: 1000')
    else expect(called).toMatch(/-e vmscan(:\*)? /)
  })

  it('reads the counters when trace-cmd has recorded, before it writes', () => {
    const tracefs = fakeTracefs('counters')
    const out = join(folder, 'counters-out')
    const seen = join(folder, 'counters-seen')
    // As a killed run leaves it.
    mkdirSync(out, { recursive: true })
    writeFileSync(join(out, 'recording'), '')
    // trace-cmd runs a command while it records, a while after it was called; then it writes.
    const bins = [
      standIn(
        'trace-cmd',
        `until [ "$1" = sh ]; do shift; done\nsleep 1\nls ${out} >${seen}.early\n"$@"\nls ${out} >${seen}\n`,
      ),
    ]
    const { status } = run(toScript(recipe({ tool: 'trace-cmd' })), { tracefs, out, bins })
    expect(status).toBe(0)
    expect(readFileSync(`${seen}.early`, 'utf8')).not.toContain('vmstat.after')
    const files = readFileSync(seen, 'utf8').split('\n')
    expect(files).toEqual(expect.arrayContaining(['vmstat.before', 'vmstat.after', 'stat.after']))
    expect(readSnapshots(out).has('recording')).toBe(false)
  })

  const swaps = (device: string) =>
    `Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n${device} partition 1048572 0 -2\n`

  it.each([
    ['/dev/zram0', false],
    ['/dev/block/zram0', false],
    ['/dev/sda2', true],
    ['/swapfile', true],
  ])('records requests to disks where swap lies on one: %s, %s', (device, recorded) => {
    const file = join(folder, 'swaps')
    writeFileSync(file, swaps(device))
    for (const tool of TOOLS) {
      const tracefs = fakeTracefs(`${tool}${device.replaceAll('/', '-')}`, 'laptop')
      const log = join(folder, `requests-${tool}`)
      writeFileSync(log, '')
      const { status } = run(withLog(toScript(recipe({ tool })), log), {
        tracefs,
        out: join(folder, `requests-out-${tool}`),
        bins: tool === 'tracefs' ? [] : [standIn(tool, `echo "$@" >>${log}\ncat >>${log}\n`)],
        env: { SWAPS: file },
      })
      expect(status).toBe(0)
      const said = readFileSync(log, 'utf8')
      const asked =
        tool === 'tracefs'
          ? REQUESTS.map((event) => `events/${event}/enable=1`)
          : REQUESTS.map((event) => (tool === 'perfetto' ? event : event.replace('/', ':')))
      for (const event of asked) expect([tool, said.includes(event)]).toEqual([tool, recorded])
    }
  })

  it.each(['trace-cmd', 'perf', 'perfetto'] as const)(
    'fails when %s does, and puts everything back',
    (tool) => {
      const tracefs = fakeTracefs(`failing-${tool}`)
      const { status, errors } = run(toScript(recipe({ tool })), {
        tracefs,
        out: join(folder, `failed-${tool}`),
        bins: [standIn(tool, 'exit 3\n')],
      })
      expect([status, errors]).toEqual([1, expect.stringContaining(`${tool} did not record`)])
      expect(errors).not.toContain('recorded into')
      expect(readFileSync(join(tracefs, 'trace_clock'), 'utf8')).toBe('local\n')
    },
  )

  it('over adb sends itself, runs on the device as root, and fetches what it recorded', async () => {
    const tracefs = fakeTracefs('device')
    const events = await countEvents(tracefs)
    const device = mkdtempSync(join(folder, 'device-'))
    const out = join(folder, 'fetched')
    const log = join(folder, 'adb.log')
    // The device's folder is one of the host's; whoever runs this is root.
    const adb = standIn(
      'adb',
      `echo "$1 $(echo "$2" | head -n 1 | cut -c 1-60)" >>'${log}'
here() { sed 's#${DEVICE_HOME}#${device}#g'; }
case $1 in
shell)
  shift
  case $* in
  cat*) here >'${device}/pstrace.sh' ;;
  getprop*) echo device/fingerprint ;;
  *) sh -c "$(echo "$*" | here)" ;;
  esac ;;
pull) mkdir -p "$3" && cp -r "$(echo "$2" | here)" "$3" ;;
esac
`,
    )
    const { status, errors } = run(toScript(recipe({ tool: 'tracefs', adb: true })), {
      tracefs,
      out,
      bins: [adb],
    })
    expect([status, errors]).toEqual([0, expect.stringContaining('recorded into')])
    expect(await countEvents(out)).toBe(events)
    expect(readFileSync(join(out, 'fingerprint'), 'utf8')).toBe('device/fingerprint\n')
    const calls = readFileSync(log, 'utf8').trimEnd().split('\n')
    expect(calls).toEqual([
      'wait-for-device ',
      `shell cat >${DEVICE_HOME}/pstrace.sh`,
      'shell id',
      expect.stringContaining(`shell rm -rf ${DEVICE_HOME}/pstrace; sh`),
      `pull ${DEVICE_HOME}/pstrace/.`,
      'shell getprop',
    ])
  })
})

describe.runIf(perfettoSources !== undefined && isInstalled('protoc'))(
  'configurations for Perfetto',
  () => {
    it('are valid TraceConfigs for every kernel', () => {
      for (const kernel of KERNELS) {
        const { status, stderr } = spawnSync(
          'protoc',
          [
            `-I${perfettoSources}`,
            '--encode=perfetto.protos.TraceConfig',
            join(perfettoSources ?? '', 'protos/perfetto/config/trace_config.proto'),
          ],
          { input: toPerfettoConfig(recipe({ tool: 'perfetto', kernel })), encoding: 'latin1' },
        )
        expect([status, stderr]).toEqual([0, ''])
      }
    })
  },
)

it.runIf(!isRoot || perfettoSources === undefined)('not everything was checked here', () => {
  if (!isRoot) process.stdout.write('recipes: skipped running scripts, which need root\n')
  if (perfettoSources === undefined)
    process.stdout.write('recipes: skipped protoc, PSTRACE_PERFETTO_PROTOS is not set\n')
})
