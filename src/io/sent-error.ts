import { type InputPosition, TraceParseError } from '../../parsers/error.ts'
import { PstraceError } from '../model/error.ts'

/** An error on its way to another thread: classes do not survive the way. */
export type SentError = { readonly message: string; readonly cause: unknown } & (
  | {
      readonly kind: 'parse'
      readonly code: string
      readonly source: string
      readonly position: InputPosition
    }
  | { readonly kind: 'own'; readonly code: string; readonly exitStatus: 1 | 2 | 3 }
  | { readonly kind: 'other' }
)

export function toSentError(error: unknown): SentError {
  if (!(error instanceof Error)) return { kind: 'other', message: String(error), cause: undefined }
  const { message } = error
  const cause = error.cause instanceof Error ? error.cause : undefined
  if (error instanceof TraceParseError) {
    const { code, source, position } = error
    return { kind: 'parse', code, source, position, message, cause }
  }
  if (error instanceof PstraceError) {
    const { code, exitStatus } = error
    return { kind: 'own', code, exitStatus, message, cause }
  }
  return { kind: 'other', message, cause: error }
}

export function fromSentError(sent: SentError): Error {
  const { message, cause } = sent
  const options = cause === undefined ? {} : { cause }
  if (sent.kind === 'other') return new Error(message, options)
  if (sent.kind === 'own')
    return new PstraceError(sent.code, message, { ...options, exitStatus: sent.exitStatus })
  const { code, source, position } = sent
  const place = `${source}, ${position.unit} ${position.at}: `
  return new TraceParseError(code, source, position, message.slice(place.length), options)
}
