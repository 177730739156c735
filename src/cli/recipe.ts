import { type Command, Option } from 'commander'
import { ARCHES, NEWEST, OLDEST, parseArch, parseKernel, toText } from '../recipes/kernel.ts'
import { TOOLS, type Tool, toPerfettoConfig, toScript } from '../recipes/recipe.ts'
import { usageError } from './failure.ts'
import { addExamples, takeDash } from './options.ts'
import { writeOut } from './output.ts'

interface RecipeCommandOptions {
  readonly tool: Tool
  readonly kernel: string
  readonly arch: string
  readonly adb?: boolean
  readonly config?: boolean
  readonly seconds: string
  readonly buffer: string
  readonly output?: string
  readonly force?: boolean
}

const MAX_SECONDS = 86_400
const MAX_BUFFER_KIB = 1 << 22

export function register(command: Command): void {
  command
    .description(
      'Print a shell script that records everything a replay needs: all of vmscan and oom, scheduler events without filter, probes with ' +
        `the swap entries, and /proc before, after and each second. For kernels ${toText(OLDEST)} to ${toText(NEWEST)}; functions that have ` +
        "other names are looked up in the device's own list.",
    )
    .addOption(new Option('--tool <tool>', 'what records').choices([...TOOLS]).default('tracefs'))
    .requiredOption('--kernel <release>', "the device's kernel, as uname -r prints it")
    .option('--arch <arch>', `its machine: ${ARCHES.join(', ')}`, 'x86_64')
    .option('--adb', 'record on an Android device over adb')
    .option('--config', "only Perfetto's configuration (--tool perfetto)")
    .option('--seconds <n>', 'how long to record', '30')
    .option('--buffer <KiB>', 'ring buffer of each CPU', '32768')
    .option('-o, --output <file>', 'write to a file')
    .option('-f, --force', 'overwrite it')
  takeDash(command)
  addExamples(
    command,
    `
pstrace recipe --kernel 6.12 --tool trace-cmd > record.sh
pstrace recipe --kernel 5.10.43-android12-9 --arch arm64 --adb --tool perfetto -o record.sh
pstrace recipe --kernel 6.6 --tool perfetto --config > reclaim.pbtxt`,
  )
  command.action(async (options: RecipeCommandOptions) => {
    const recipe = {
      tool: options.tool,
      kernel: parseKernel(options.kernel),
      arch: parseArch(options.arch),
      adb: options.adb === true,
      seconds: toWhole(options.seconds, '--seconds', MAX_SECONDS),
      bufferKib: toWhole(options.buffer, '--buffer', MAX_BUFFER_KIB),
    }
    if (options.config === true && options.tool !== 'perfetto')
      throw usageError('--config needs --tool perfetto')
    const text = options.config === true ? toPerfettoConfig(recipe) : toScript(recipe)
    if (options.output === undefined) await writeOut(text)
    else {
      const { writeFileWhole } = await import('../io/whole-file.ts')
      await writeFileWhole(options.output, { force: options.force ?? false }, pieces(text))
    }
  })
}

async function* pieces(text: string): AsyncGenerator<string> {
  yield text
}

function toWhole(text: string, option: string, most: number): number {
  const value = Number(text)
  if (!/^\d{1,9}$/.test(text) || value < 1 || value > most)
    throw usageError(`${option} ${text}: a whole number from 1 to ${most} was expected`)
  return value
}
