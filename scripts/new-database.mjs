// Makes the empty database that new ones begin as: copying it takes a fifth of the time of creating all tables and comments anew.
import { rmSync } from 'node:fs'
import { resolve } from 'node:path'
import './ts.mjs'

const { Database } = await import('../src/database/database.ts')

const path = resolve(process.argv[2])
rmSync(path, { force: true })
const database = await Database.open(path, { mode: 'write' })
database.close()
