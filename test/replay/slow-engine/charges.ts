import { OutsideCase } from './case.ts'
import type { Program, Thread } from './clock.ts'
import { directReclaim, HOPELESS } from './direct-reclaim.ts'
import type { Group } from './groups.ts'
import type { Machine } from './machine.ts'
import { CLUSTER } from './shrink.ts'
import { timerAt } from './timer.ts'

const BATCH = 64
/** 10 ms and 2 s. */
const SHORTEST = 10
const LONGEST = 2000

/** Counts pages against the limits of a group and those above it; at one of them the caller reclaims below that. */
export function* charge(machine: Machine, thread: Thread, group: Group, count: number): Program {
  if (!tryCharge(machine, thread, group, count, BATCH)) {
    const isOver = ({ settings, usage }: Group): boolean => usage + count > settings.max
    let fruitless = 0
    let isDrained = false
    do {
      const over = group.path.find(isOver) ?? group
      const of = { mayWrite: true, group: over, target: Math.max(count, CLUSTER) }
      const reclaimed = yield* directReclaim(machine, thread, of)
      if (tryCharge(machine, thread, group, count, 0)) break
      if (!isDrained) for (const { stocks } of over.subtree) stocks.clear()
      isDrained = true
      if (reclaimed > 0) fruitless = 0
      else if (++fruitless >= HOPELESS) throw new OutsideCase('a group at its limit has no more')
    } while (!tryCharge(machine, thread, group, count, 0))
  }
  if (owed(machine, thread) > BATCH) yield* payForHigh(machine, thread)
}

function tryCharge(
  machine: Machine,
  { cpu, name }: Thread,
  group: Group,
  count: number,
  batch: number,
): boolean {
  const there = group.stocks.get(cpu) ?? 0
  if (group.parent !== undefined && there >= count) group.stocks.set(cpu, there - count)
  else {
    const fits = (pages: number) =>
      group.path.every(
        (each) =>
          each.settings.max === Number.POSITIVE_INFINITY || each.usage + pages <= each.settings.max,
      )
    const ahead = group.parent === undefined ? count : Math.max(count, batch)
    const charged = fits(ahead) ? ahead : count
    if (!fits(charged)) return false
    if (charged > count) {
      // A CPU keeps pages of one group only, and of that no more than a batch.
      for (const other of machine.root.subtree) if (other !== group) other.stocks.delete(cpu)
      const kept = there + charged - count
      group.stocks.set(cpu, kept > BATCH ? 0 : kept)
    }
    group.arriving += count
    if (group.path.some(isHigh))
      machine.overHigh.set(name, (machine.overHigh.get(name) ?? 0) + charged)
    return true
  }
  group.arriving += count
  return true
}

function isHigh(group: Group): boolean {
  return isAbove(group, 'usage', 'high') || isAbove(group, 'inSwap', 'swapHigh')
}

function isAbove(group: Group, what: 'usage' | 'inSwap', limit: 'high' | 'swapHigh'): boolean {
  return group.settings[limit] !== Number.POSITIVE_INFINITY && group[what] > group.settings[limit]
}

export function owed(machine: Machine, { name }: Thread): number {
  return machine.overHigh.get(name) ?? 0
}

/** Above memory.high a task reclaims what it charged, and sleeps where too much is left. */
export function* payForHigh(machine: Machine, thread: Thread): Program {
  const { clock, log } = machine
  const own = machine.groupOf(thread)
  const charged = owed(machine, thread)
  machine.overHigh.delete(thread.name)
  let target = Math.max(charged, CLUSTER)
  for (let retries = HOPELESS; ; ) {
    let reclaimed = 0
    for (const group of own.path)
      if (isAbove(group, 'usage', 'high'))
        reclaimed += yield* directReclaim(machine, thread, { mayWrite: true, group, target })
    const ms = delay(own, charged)
    if (ms <= SHORTEST) return
    if (reclaimed === 0 && retries-- === 0) {
      const from = clock.now
      yield { sleepUntil: timerAt(from, ms) }
      log.spans.push({ kind: 'throttle', task: thread.name, from, to: clock.now, reclaimed: 0 })
      return
    }
    target = CLUSTER
  }
}

function delay({ path }: Group, charged: number): number {
  const most = (what: 'usage' | 'inSwap', limit: 'high' | 'swapHigh'): number =>
    Math.max(
      ...path.map((group) =>
        isAbove(group, what, limit) ? share(group[what], group.settings[limit]) : 0,
      ),
    )
  const ms = (over: number) =>
    (((BigInt(over) ** 2n * 1000n) >> 34n) * BigInt(charged)) / BigInt(BATCH)
  return Math.min(Number(ms(most('usage', 'high')) + ms(most('inSwap', 'swapHigh'))), LONGEST)
}

/** In 2^-20 of the limit. */
function share(pages: number, limit: number): number {
  return Math.floor(((pages - limit) * 2 ** 20) / Math.max(limit, 1))
}
