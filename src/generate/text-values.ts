import { EVENT_KINDS } from './event-kinds.ts'
import type { EventLayout, FieldSource, LayoutField } from './layout-fields.ts'

/** Argument value that stands for "preempted while runnable" in `prevState`. */
export const PREEMPTED = -1

/** Functions whose addresses appear in events; index = the argument. */
export const SHRINKERS = ['super_cache_scan', 'zswap_shrinker_scan', 'deferred_split_scan'] as const
const SYMBOL_BASE = 0x8120_0000
/** Upper halves of kernel text and data addresses on a 64-bit machine. */
export const TEXT_HIGH = 0xffff_ffff
export const DATA_HIGH = 0xffff_8880

/** Low half of the address at which `kallsyms` has the function of that index. */
export function symbolAddressLow(index: number): number {
  return SYMBOL_BASE + index * 0x1000
}

/** /proc/kallsyms lines for the functions that events point to. */
export function kallsyms(long: 4 | 8): string {
  const high = long === 8 ? 'ffffffff' : ''
  const names = [...SHRINKERS, 'probed_function']
  return names.map((name, i) => `${high}${symbolAddressLow(i).toString(16)} T ${name}\n`).join('')
}

type FlagTable = readonly (readonly [value: number, name: string])[]

const GFP: FlagTable = [
  [0x100cca, 'GFP_HIGHUSER_MOVABLE'],
  [0xcc0, 'GFP_KERNEL'],
  [0xc00, 'GFP_NOIO'],
  [0x40, '__GFP_IO'],
  [0x80, '__GFP_FS'],
  [0x100, '__GFP_ZERO'],
  [0x400, '__GFP_DIRECT_RECLAIM'],
  [0x800, '__GFP_KSWAPD_RECLAIM'],
]
const WRITEBACK: FlagTable = [
  [0x1, 'RECLAIM_WB_ANON'],
  [0x2, 'RECLAIM_WB_FILE'],
  [0x10, 'RECLAIM_WB_MIXED'],
  [0x4, 'RECLAIM_WB_SYNC'],
  [0x8, 'RECLAIM_WB_ASYNC'],
]
const THROTTLE: FlagTable = [
  [1, 'VMSCAN_THROTTLE_WRITEBACK'],
  [2, 'VMSCAN_THROTTLE_ISOLATED'],
  [4, 'VMSCAN_THROTTLE_NOPROGRESS'],
  [8, 'VMSCAN_THROTTLE_CONGESTED'],
]
const STATES: FlagTable = [
  [0x1, 'S'],
  [0x2, 'D'],
  [0x4, 'T'],
  [0x8, 't'],
  [0x10, 'X'],
  [0x20, 'Z'],
  [0x40, 'P'],
  [0x80, 'I'],
]
/** enum of IOPRIO_CLASS_* (uapi/linux/ioprio.h). */
const PRIORITY_CLASSES: FlagTable = [
  [0, 'none'],
  [1, 'rt'],
  [2, 'be'],
  [3, 'idle'],
  [7, 'invalid'],
]
const MINOR_BITS = 20
const LRU = ['inactive_anon', 'active_anon', 'inactive_file', 'active_file', 'unevictable']
const ZONES = ['DMA', 'DMA32', 'Normal', 'Movable']
const COMPACTION = [
  'not_suitable_zone',
  'skipped',
  'deferred',
  'no_suitable_page',
  'continue',
  'complete',
]

interface Piece {
  readonly literal: string
  /** Index into the layout's fields, -1 for a trailing literal. */
  readonly field: number
  readonly style: string
}

/** Renders one layout's payload text and its `print fmt`. */
export class PayloadText {
  readonly #layout: EventLayout
  readonly #pieces: readonly Piece[]
  readonly #strings: readonly string[]

  /** `strings` are the scenario's strings, borrowed. */
  constructor(layout: EventLayout, strings: readonly string[]) {
    this.#layout = layout
    this.#strings = strings
    this.#pieces = parseTemplate(layout)
  }

  render(args: Float64Array): string {
    let text = ''
    for (const { literal, field, style } of this.#pieces) {
      text += literal
      const spec = this.#layout.fields[field]
      if (spec !== undefined) text += renderValue(this.#layout, spec, style, args, this.#strings)
    }
    return text
  }

  /** As the kernel prints it in the event's format file. */
  printFmt(): string {
    let format = ''
    const values: string[] = []
    for (const { literal, field, style } of this.#pieces) {
      format += literal
      const spec = this.#layout.fields[field]
      if (spec === undefined) continue
      const [conversion, value] = conversionOf(spec, style)
      format += conversion
      values.push(value)
    }
    return `"${format}"${values.map((value) => `, ${value}`).join('')}`
  }
}

function parseTemplate(layout: EventLayout): Piece[] {
  const pieces: Piece[] = []
  let last = 0
  for (const match of layout.text.matchAll(/\{(\w+)(?::([\w:]+))?\}/g)) {
    pieces.push({
      literal: layout.text.slice(last, match.index),
      field: layout.fields.findIndex(({ name }) => name === match[1]),
      style: match[2] ?? 'd',
    })
    last = match.index + match[0].length
  }
  pieces.push({ literal: layout.text.slice(last), field: -1, style: '' })
  return pieces
}

/** Number of the argument `name` in the layout's kind. */
export function argIndex(layout: EventLayout, name: string): number {
  const names: readonly string[] = EVENT_KINDS[layout.kind]
  return names.indexOf(name)
}

function smallValue(layout: EventLayout, source: FieldSource, args: Float64Array): number {
  if ('constant' in source) return source.constant
  if ('arg' in source) return args[argIndex(layout, source.arg)] ?? 0
  if ('state' in source) {
    const state = args[argIndex(layout, source.state)] ?? 0
    return state === PREEMPTED ? source.preempted : state
  }
  return 0
}

function renderValue(
  layout: EventLayout,
  spec: LayoutField,
  style: string,
  args: Float64Array,
  strings: readonly string[],
): string {
  const { source } = spec
  if ('comm' in source) return strings[args[argIndex(layout, source.comm)] ?? 0] ?? ''
  if ('tail' in source) return strings[args[argIndex(layout, source.tail)] ?? 0] ?? ''
  if ('noText' in source) return ''
  if ('entry' in source) {
    const type = args[argIndex(layout, source.entry[0])] ?? 0
    const offset = args[argIndex(layout, source.entry[1])] ?? 0
    return ((BigInt(type) << 58n) | BigInt(offset)).toString()
  }
  if ('state' in source) {
    const state = args[argIndex(layout, source.state)] ?? 0
    if (state === PREEMPTED) return 'R+'
    return flagText(STATES, state) || 'R'
  }
  const value = smallValue(layout, source, args)
  if ('pointer' in source) {
    const index =
      source.pointer === '' ? SHRINKERS.length : (args[argIndex(layout, source.pointer)] ?? 0)
    if (style === 'ptr') return `00000000${(0x5a5a_0000 + index * 64).toString(16)}`
    if (style.startsWith('ip:')) return `${style.slice(3)}+0x0/0x1b0`
    if (style.startsWith('fn:')) return style.slice(3)
    return `${SHRINKERS[index] ?? 'probed_function'}+0x0/0x1e0`
  }
  switch (style) {
    case 'x':
      return `0x${value.toString(16)}`
    case '03d':
      return String(value).padStart(3, '0')
    case 'page':
      return `00000000${((value * 64) >>> 0).toString(16).padStart(8, '0')}`
    case 'wb':
      return value === 0 ? 'RECLAIM_WB_NONE' : flagText(WRITEBACK, value)
    case 'gfp':
      return value === 0 ? 'none' : flagText(GFP, value)
    case 'throttle':
      return value === 0 ? 'VMSCAN_THROTTLE_NONE' : flagText(THROTTLE, value)
    case 'lru':
      return LRU[value] ?? `0x${value.toString(16)}`
    case 'zone':
      return (ZONES[value] ?? `0x${value.toString(16)}`).padEnd(8)
    case 'sync':
      return value === 0 ? 'async' : 'sync'
    case 'compaction':
      return COMPACTION[value] ?? `0x${value.toString(16)}`
    case 'major':
      return String(value >>> MINOR_BITS)
    case 'minor':
      return String(value & ((1 << MINOR_BITS) - 1))
    case 'priority':
      // No request of a scenario has another one.
      return `${PRIORITY_CLASSES[0]?.[1]},0,0`
    default:
      return String(value)
  }
}

/** As the kernel's trace_print_flags_seq: the first entry whose bits are all set wins, what remains is printed in hex. */
function flagText(table: FlagTable, value: number): string {
  let rest = value
  const names: string[] = []
  for (const [mask, name] of table) {
    if ((rest & mask) !== mask) continue
    names.push(name)
    rest &= ~mask
  }
  if (rest !== 0) names.push(`0x${rest.toString(16)}`)
  return names.join('|')
}

function conversionOf(spec: LayoutField, style: string): readonly [string, string] {
  const value = `REC->${spec.name}`
  const flags = (table: FlagTable, none: string): readonly [string, string] => [
    '%s',
    `(${value}) ? __print_flags(${value}, "|", ${table.map(([bit, name]) => `{ 0x${bit.toString(16)}, "${name}" }`).join(', ')} ) : "${none}"`,
  ]
  const symbols = (names: readonly string[]): readonly [string, string] => [
    '%s',
    `__print_symbolic(${value}, ${names.map((name, i) => `{ ${i}, "${name}" }`).join(', ')})`,
  ]
  if ('state' in spec.source) {
    const mask = spec.source.preempted - 1
    return [
      '%s%s',
      `(${value} & ${mask}) ? __print_flags(${value} & ${mask}, "|", ${STATES.map(([bit, name]) => `{ 0x${bit.toString(16)}, "${name}" }`).join(', ')}) : "R", ${value} & ${mask + 1} ? "+" : ""`,
    ]
  }
  switch (style) {
    case 's':
      return ['%s', value]
    case 'str':
      return ['%s', `__get_str(${spec.name})`]
    case 'llu':
      return ['%llu', `(unsigned long long)${value}`]
    case 'major':
      return ['%d', `((unsigned int) ((${value}) >> ${MINOR_BITS}))`]
    case 'minor':
      return ['%d', `((unsigned int) ((${value}) & ((1U << ${MINOR_BITS}) - 1)))`]
    case 'priority':
      return [
        '%s,%u,%u',
        `__print_symbolic((((${value}) >> 13) & (8 - 1)), ${PRIORITY_CLASSES.map(([number, name]) => `{ ${number}, "${name}" }`).join(', ')}), (((${value}) >> 3) & ((1 << 10) - 1)), ((${value}) & ((1 << 3) - 1))`,
      ]
    case '03d':
      return ['%03d', value]
    case 'x':
      return [spec.size === 'long' ? '0x%lx' : '0x%x', value]
    case 'page':
      return ['%p', `(((struct page *)vmemmap_base) + (${value}))`]
    case 'ptr':
      return ['%p', value]
    case 'symbol':
      return ['%pS', value]
    case 'symbolF':
      return ['%pF', value]
    case 'wb':
      return flags(WRITEBACK, 'RECLAIM_WB_NONE')
    case 'gfp':
      return flags(GFP, 'none')
    case 'throttle':
      return flags(THROTTLE, 'VMSCAN_THROTTLE_NONE')
    case 'lru':
      return symbols(LRU)
    case 'zone':
      return ['%-8s', symbols(ZONES)[1]]
    case 'compaction':
      return symbols(COMPACTION)
    case 'sync':
      return ['%s', `${value} ? "sync" : "async"`]
    default:
      break
  }
  if (style.startsWith('ip:') || style.startsWith('fn:')) return ['%lx', value]
  if (spec.type === 'u64' || spec.type === 'unsigned long long') return ['%Lu', value]
  if (spec.size === 'long') return [spec.signed ? '%ld' : '%lu', value]
  return [spec.signed ? '%d' : '%u', value]
}
