import { describe, expect, it } from 'vitest'
import { TraceParseError } from '../../parsers/error.ts'
import { fromSentError, toSentError } from '../../src/io/sent-error.ts'
import { PstraceError } from '../../src/model/error.ts'

const cause = new Error('the disk is broken')
const ERRORS = [
  new TraceParseError('bad', 'a, b.dat', { unit: 'line', at: 7 }, 'what, and why', { cause }),
  new TraceParseError('bad', 'a.dat', { unit: 'byte', at: 0 }, 'what'),
  new PstraceError('own', 'a.dat: what', { exitStatus: 3, cause }),
]

describe('an error on its way to another thread', () => {
  it.each(ERRORS)('arrives as it was: %s', (error) => {
    const arrived = fromSentError(structuredClone(toSentError(error)))
    expect(arrived.constructor).toBe(error.constructor)
    expect({ ...arrived }).toEqual({ ...error })
    expect(arrived.message).toBe(error.message)
    expect(arrived.cause).toEqual(error.cause)
  })

  it('keeps the message and the stack of what is not ours', () => {
    const error = new RangeError('out of range')
    const arrived = fromSentError(structuredClone(toSentError(error)))
    expect(arrived.message).toBe('out of range')
    expect(arrived.cause).toMatchObject({ name: 'RangeError', stack: error.stack })
    expect(fromSentError(toSentError('thrown')).message).toBe('thrown')
  })
})
