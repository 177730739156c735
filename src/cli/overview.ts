import type { Command } from 'commander'
import { unknownName } from '../model/names.ts'
import { addDatabase, addExamples, addOutput, addSelectors } from './options.ts'
import { toFormat } from './output.ts'
import { printSections, type ReadingOptions, readSection, withReading } from './reading.ts'

/** A table that a command can show by itself with --by. */
export interface Aspect {
  readonly name: string
  readonly title: string
  readonly sql: string
  readonly empty: string
}

export interface Overview {
  readonly description: string
  /** The first is what the machine formats get without --by. */
  readonly aspects: readonly Aspect[]
  /** Names of the aspects shown to people without --by. */
  readonly shown: readonly string[]
  readonly examples: string
}

/** A command that shows some views: all of them to people, one to machines. `instead` may do something else and says whether it did. */
export function registerOverview<Options extends ReadingOptions>(
  command: Command,
  overview: Overview,
  instead?: (options: Options) => Promise<boolean>,
): void {
  const names = overview.aspects.map(({ name }) => name)
  command
    .description(overview.description)
    .option(
      '--by <aspect>',
      `one table: ${names.join(', ')} (default: an overview; ${names[0]} in machine formats)`,
    )
  addOutput(addSelectors(addDatabase(command)))
  addExamples(command, overview.examples)
  command.action(async (options: Options & { by?: string }) => {
    if ((await instead?.(options)) === true) return
    const { by } = options
    if (by !== undefined && !names.includes(by)) throw unknownName('aspect', by, names)
    const forPeople = toFormat(options) === 'table' && options.output === undefined
    const wanted = by !== undefined ? [by] : forPeople ? overview.shown : names.slice(0, 1)
    await withReading(options, async (reading) => {
      const sections = []
      for (const { name, title, sql, empty } of overview.aspects)
        if (wanted.includes(name)) sections.push(await readSection(reading, title, sql, empty))
      await printSections(sections, options, reading)
    })
  })
}
