import { hasRequests, type Scenario, type Step } from './scenario.ts'

/** The strings that a scenario's events refer to by index: comms, marks and the operations of requests. */
export function stringsOf(scenario: Scenario): string[] {
  const strings = scenario.cpuNodes.map((_, cpu) => `swapper/${cpu}`)
  if (hasRequests(scenario)) strings.push('R', 'W')
  for (const actor of scenario.actors) {
    strings.push(actor.comm, `E|${actor.tgid}\n`)
    for (const name of markNames(actor.steps)) strings.push(`B|${actor.tgid}|${name}\n`)
  }
  return [...new Set(strings)]
}

function markNames(steps: readonly Step[]): string[] {
  return steps.flatMap((step) => [
    ...(step.do === 'mark' ? [step.name] : []),
    ...('steps' in step ? markNames(step.steps) : []),
  ])
}
