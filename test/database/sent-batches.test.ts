import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { StringDictionary } from '../../parsers/batch.ts'
import { BatchReceiver, BatchSender } from '../../src/database/sent-batches.ts'
import type { RawBatch } from '../../src/database/writer.ts'
import { batchOf, field } from './raw-batches.ts'

interface Piece {
  readonly rows: number
  readonly instance: number
  /** Every third row lacks its number. */
  readonly gaps: boolean
  /** Strings are those of another dictionary from here on. */
  readonly otherStrings: boolean
  readonly all: boolean
}

const piece = fc.record<Piece>({
  rows: fc.integer({ min: 0, max: 6000 }),
  instance: fc.integer({ min: 0, max: 1 }),
  gaps: fc.boolean(),
  otherStrings: fc.boolean(),
  all: fc.boolean(),
})

const fields = [field('n', 'i32'), field('address', 'u64'), field('comm', 'string')] as const
const format = { ...batchOf('test:sent', [], 0).format, fields }

function dictionaryOf(strings: readonly string[]): StringDictionary {
  return { length: strings.length, get: (code) => strings[code] ?? '' }
}

/** Rows numbered from `first` on. */
function rawOf(of: Piece, first: number, dictionary: StringDictionary): RawBatch {
  const { rows, instance, gaps } = of
  const numbers = Float64Array.from({ length: rows }, (_, row) => first + row)
  const valid = Uint8Array.from(numbers, (number) => (number % 3 === 0 ? 0 : 1))
  const columns = [
    { kind: 'i32', field: fields[0], values: Int32Array.from(numbers), ...(gaps ? { valid } : {}) },
    {
      kind: 'u64',
      field: fields[1],
      lo: Uint32Array.from(numbers, (number) => number * 3),
      hi: new Uint32Array(rows).fill(instance),
    },
    {
      kind: 'string',
      field: fields[2],
      codes: Uint32Array.from(numbers, (number) => number % dictionary.length),
      dictionary,
    },
  ] as const
  return { batch: { ...batchOf('test:sent', columns, rows), format, instance }, seq: numbers }
}

/** Every row as text. */
function rowsOf({ batch, seq }: RawBatch): string[] {
  const [n, address, comm] = batch.columns
  if (n?.kind !== 'i32' || address?.kind !== 'u64' || comm?.kind !== 'string')
    throw new Error('other columns')
  return Array.from({ length: batch.length }, (_, row) => {
    const value = n.valid?.[row] === 0 ? 'none' : n.values[row]
    const place = `${batch.instance} ${seq[row]} ${batch.ts[row]} ${batch.cpu[row]} ${batch.tid[row]}`
    return `${place} ${value} ${address.hi[row]}:${address.lo[row]} ${comm.dictionary.get(comm.codes[row] ?? 0)}`
  })
}

it('brings every row of every event and instance across once, in its order', () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const sender = new BatchSender()
      const receiver = new BatchReceiver()
      const sent: string[][] = [[], []]
      const received: string[][] = [[], []]
      const travel = (all: boolean): void => {
        const parcel = sender.take({ all })
        if (parcel === undefined) return
        const { batches, buffers } = structuredClone(parcel, { transfer: [...parcel.buffers] })
        for (const raw of batches.map((batch) => receiver.receive(batch)))
          received[raw.batch.instance]?.push(...rowsOf(raw))
        sender.giveBack(buffers)
      }
      let first = 0
      let dictionary = dictionaryOf(['kswapd0', 'app'])
      for (const of of pieces) {
        if (of.otherStrings) dictionary = dictionaryOf(['app', `other ${first}`, 'kswapd0'])
        const raw = rawOf(of, first, dictionary)
        first += of.rows
        sent[of.instance]?.push(...rowsOf(raw))
        if (of.rows > 0) sender.add(raw)
        travel(of.all)
      }
      travel(true)
      expect(received).toEqual(sent)
      expect(sender.take({ all: true })).toBeUndefined()
    }),
    { numRuns: 40 },
  )
})
