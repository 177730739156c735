/** What the command that made a run set otherwise than by default, as `name=value`, from the run's configuration; runs of older versions do not tell. */
export function settingsGiven(config: string | null): readonly string[] {
  const parsed: unknown = config === null ? undefined : JSON.parse(config)
  if (typeof parsed !== 'object' || parsed === null || !('given' in parsed)) return []
  return Array.isArray(parsed.given) ? parsed.given.map(String) : []
}
