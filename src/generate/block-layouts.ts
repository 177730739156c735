import { comm, type EventLayout, field, inSystem, type LayoutField, uint } from './layout-fields.ts'

export interface BlockForm {
  /** From 6.11 requests tell their I/O priority. */
  readonly hasPriority: boolean
  /** The letters of a request's operation take 10 bytes instead of 8 (RWBS_LEN). */
  readonly hasLongFlags: boolean
  /** Name of the field, another one before 4.12. */
  readonly error: 'error' | 'errors'
}

/** block_rq_issue and block_rq_complete of include/trace/events/block.h: requests of a device that has no SCSI commands. */
export function blockLayouts({ hasPriority, hasLongFlags, error }: BlockForm): EventLayout[] {
  const block = inSystem('block')
  const place = [
    field('dev', 'dev_t', 4, false, { arg: 'dev' }),
    field('sector', 'sector_t', 8, false, { arg: 'sector' }),
    uint('nr_sector', 'sectors'),
  ]
  const flagBytes = hasLongFlags ? 10 : 8
  const flags = field('rwbs', 'char', flagBytes, false, { comm: 'rwbs' }, `[${flagBytes}]`)
  const priority: LayoutField[] = hasPriority
    ? [field('ioprio', 'unsigned short', 2, false, { constant: 0 })]
    : []
  const command = field('cmd', '__data_loc char[]', 4, false, { noText: true })
  const device = '{dev:major},{dev:minor} {rwbs:s}'
  const range = `{sector:llu} + {nr_sector}${hasPriority ? ' {ioprio:priority}' : ''}`
  return [
    block(
      'blockIssue',
      'block_rq_issue',
      [...place, uint('bytes', 'bytes'), ...priority, flags, comm('comm', 'comm'), command],
      `${device} {bytes} ({cmd:str}) ${range} [{comm:s}]`,
    ),
    block(
      'blockComplete',
      'block_rq_complete',
      [...place, field(error, 'int', 4, true, { arg: 'error' }), ...priority, flags, command],
      `${device} ({cmd:str}) ${range} [{${error}}]`,
    ),
  ]
}
