/** Set but empty is not set. */
const folderIn = (variable: string): string | undefined => process.env[variable] || undefined

/** Real recordings. */
export const tracesFolder = folderIn('PSTRACE_TRACES')
/** A checkout of Perfetto's sources: its protos say what every field is. */
export const perfettoSources = folderIn('PSTRACE_PERFETTO_PROTOS')
