import type { Command } from 'commander'

/** A command's module declares its arguments and options when, and only when, the command is used. */
export interface CommandModule {
  register(command: Command): void
}

export interface CommandEntry {
  readonly name: string
  readonly summary: string
  readonly group: string
  readonly load: () => Promise<CommandModule>
}

const RECORD = 'From recording to database:'
const LOOK = 'Look at recordings and runs:'
const REPLAY = 'Replay under another policy:'
const SHARE = 'Pictures and files:'
const REFERENCE = 'Reference:'

/** Every command; only names and summaries are loaded for `pstrace --help`. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'ingest',
    group: RECORD,
    summary: 'read a trace into the database',
    load: () => import('./ingest.ts'),
  },
  {
    name: 'recipe',
    group: RECORD,
    summary: 'print a script that records what a replay needs',
    load: () => import('./recipe.ts'),
  },
  {
    name: 'doctor',
    group: RECORD,
    summary: 'what a trace file holds and lacks, and what it can answer',
    load: () => import('./doctor.ts'),
  },
  {
    name: 'generate',
    group: RECORD,
    summary: 'write a trace with known truth',
    load: () => import('./generate.ts'),
  },
  {
    name: 'info',
    group: LOOK,
    summary: 'what the database holds: counts, losses, checks against vmstat',
    load: () => import('./info.ts'),
  },
  {
    name: 'query',
    group: LOOK,
    summary: 'run SQL over tables and views',
    load: () => import('./query.ts'),
  },
  {
    name: 'stalls',
    group: LOOK,
    summary: 'who stalled, how long, on what',
    load: () => import('./stalls.ts'),
  },
  {
    name: 'order',
    group: LOOK,
    summary: 'was the reclaim order kept: inversions and displacement',
    load: () => import('./order.ts'),
  },
  {
    name: 'kswapd',
    group: LOOK,
    summary: 'how kswapd spent its time, and who woke it',
    load: () => import('./kswapd.ts'),
  },
  {
    name: 'pool',
    group: LOOK,
    summary: 'where swapped-out pages went, and their compressed sizes',
    load: () => import('./pool.ts'),
  },
  { name: 'slots', group: LOOK, summary: 'use of swap slots', load: () => import('./slots.ts') },
  {
    name: 'workload',
    group: REPLAY,
    summary: 'what a replay of the trace runs, every number with its basis',
    load: () => import('./workload.ts'),
  },
  {
    name: 'replay',
    group: REPLAY,
    summary: 'run the recorded workload under other policies',
    load: () => import('./replay.ts'),
  },
  {
    name: 'sweep',
    group: REPLAY,
    summary: 'replay every combination of policies, tunables, CPUs, codecs',
    load: () => import('./sweep.ts'),
  },
  {
    name: 'validate',
    group: REPLAY,
    summary: 'how far the model can be trusted, on recordings',
    load: () => import('./validate.ts'),
  },
  {
    name: 'questions',
    group: REPLAY,
    summary: "claims of the patches and reviewers' questions, answered from runs",
    load: () => import('./questions.ts'),
  },
  {
    name: 'compare',
    group: REPLAY,
    summary: 'recordings and runs side by side',
    load: () => import('./compare.ts'),
  },
  {
    name: 'report',
    group: SHARE,
    summary: 'one report on a recording and its runs: HTML, Markdown, text',
    load: () => import('./report.ts'),
  },
  {
    name: 'export',
    group: SHARE,
    summary: 'tables as Parquet, Arrow, CSV; or a Perfetto trace',
    load: () => import('./export.ts'),
  },
  {
    name: 'chart',
    group: SHARE,
    summary: 'draw one chart as SVG, PNG, HTML or Vega-Lite',
    load: () => import('./chart.ts'),
  },
  {
    name: 'schema',
    group: REFERENCE,
    summary: 'tables, views and columns with their meaning',
    load: () => import('./schema.ts'),
  },
  {
    name: 'pages',
    group: REFERENCE,
    summary: 'compress, capture and collect contents of pages',
    load: () => import('./pages.ts'),
  },
  {
    name: 'policies',
    group: REFERENCE,
    summary: 'swap-out policies and their tunables',
    load: () => import('./policies.ts'),
  },
  {
    name: 'codecs',
    group: REFERENCE,
    summary: 'codecs and their versions',
    load: () => import('./codecs.ts'),
  },
  {
    name: 'completion',
    group: REFERENCE,
    summary: 'completion script for bash, zsh, fish or powershell',
    load: () => import('./completion.ts'),
  },
]
