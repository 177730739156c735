import fc from 'fast-check'

/** Of every property, so that a run of the tests can be repeated; PSTRACE_SEED tries others. */
const SEED = 2024

fc.configureGlobal({ seed: Number(process.env['PSTRACE_SEED'] ?? SEED) })
