// Makes fixtures/corpus/desktop.pages: pages of real programs, each started with an empty environment on data that it makes itself.
// Run as `node --import ./scripts/ts.mjs scripts/capture-corpus.mjs [FILE]` on Linux with python3 and perl.
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { capturePid } from '../src/io/page-capture.ts'
import { openCodec } from '../src/memory/codecs/index.ts'
import { CORPUS_GROUP_BYTES, CorpusBuilder, encodeCorpus } from '../src/memory/contents/corpus.ts'

const nodeProgram = `
let x = 1
const r = () => { x = (Math.imul(x, 1103515245) + 12345) >>> 0; return x >>> 8 }
const words = Array.from({ length: 900 }, () => Array.from({ length: 3 + r() % 9 }, () => String.fromCharCode(97 + r() % 26)).join(''))
const rows = []
for (let i = 0; i < 30000; i++) rows.push({ id: i, name: words[r() % 900] + ' ' + words[r() % 900], price: r() % 100000 / 100, tags: [words[r() % 900], words[r() % 50]], at: r() })
const byName = new Map()
for (const row of rows) { const list = byName.get(row.name) ?? []; list.push(row); byName.set(row.name, list) }
const text = JSON.stringify(rows.slice(0, 6000), null, 1)
const again = JSON.parse(text)
const log = []
for (let i = 0; i < 6000; i++) log.push('2026-01-01T00:' + String(i % 60).padStart(2, '0') + ' level=' + (i % 7 ? 'info' : 'warn') + ' request=' + i + ' path=/' + words[i % 900] + '/' + words[i * 7 % 900] + ' took=' + r() % 900 + 'ms')
const joined = Buffer.from(log.join('\\n'))
const waves = new Float64Array(40000)
for (let i = 0; i < waves.length; i++) waves[i] = Math.sin(i / 50) * 1000
const crypto = require('node:crypto')
const blobs = Array.from({ length: 500 }, () => crypto.randomBytes(100 + r() % 4000))
const sparse = new Int32Array(400000)
for (let i = 0; i < sparse.length; i += 1 + r() % 90) sparse[i] = r() % 1000
const zeros = Buffer.alloc(900000, 1).fill(0)
const ones = new Float64Array(30000).fill(1)
globalThis.keep = [rows, byName, text, again, log, joined, waves, blobs, sparse, zeros, ones]
setInterval(() => {}, 1e6)`

const pythonProgram = `
import json, os, random, zlib, array, time, collections, ast, hashlib
random.seed(7)
words = [''.join(random.choice('etaoinshrdlucmfwyp') for _ in range(random.randint(2, 10))) for _ in range(1200)]
docs = [' '.join(random.choices(words, k=random.randint(30, 200))) for _ in range(1500)]
index = collections.defaultdict(list)
for n, d in enumerate(docs):
    for w in set(d.split()): index[w].append(n)
rows = [{'id': i, 'k': random.choice(words), 'v': random.random(), 'f': i % 3 == 0} for i in range(12000)]
text = json.dumps(rows[:4000], indent=2)
packed = [zlib.compress(d.encode() * random.randint(1, 9), 9) for d in docs]
blobs = [os.urandom(random.randint(50, 3900)) for _ in range(500)]
digests = [hashlib.sha256(w.encode()).digest() for w in words]
ints = array.array('q', (random.randint(0, 1000) for _ in range(40000)))
big = array.array('d', (i * 0.25 for i in range(30000)))
floats = array.array('d', (random.random() for _ in range(30000)))
bits = bytearray(400000)
for _ in range(3000): bits[random.randint(0, 399999)] = random.randint(1, 255)
zeros = bytearray(b'\\0') * 700000
same = bytearray(b'\\xff') * 200000
tree = [ast.parse('def f(a, b=%d):\\n  return [x * a for x in range(b) if x %% %d]\\n' % (i, i % 9 + 2)) for i in range(400)]
time.sleep(1e6)`

const perlProgram = `
srand(3); my @w = map { join '', map { chr(97 + int(rand(26))) } 1..(2 + int(rand(9))) } 1..800; my %h;
for my $i (1..25000) { my $k = $w[rand @w] . '-' . $i; $h{$k} = { n => $i, w => $w[rand @w], l => [map { int rand 1000 } 1..4] } }
my $t = join("\\n", map { "$_ = $h{$_}{n} ; $h{$_}{w}" } sort keys %h);
my $z = "\\0" x 600000; for (1..900) { substr($z, int(rand(599990)), 3) = $w[rand @w] } sleep 1000000`

const sqliteProgram = `
import sqlite3, random, time
random.seed(11)
db = sqlite3.connect(':memory:')
db.execute('create table item(id integer primary key, name text, price real, stock int, note text)')
db.execute('create table event(at int, item int, kind text, amount real)')
words = [''.join(random.choice('etaoinshrdlucmfwyp') for _ in range(random.randint(2, 10))) for _ in range(700)]
db.executemany('insert into item values(?,?,?,?,?)', ((i, ' '.join(random.choices(words, k=3)), random.randint(1, 9999) / 100, random.randint(0, 50), ' '.join(random.choices(words, k=random.randint(0, 12)))) for i in range(14000)))
db.executemany('insert into event values(?,?,?,?)', ((i * 17, random.randint(0, 13999), random.choice(['buy', 'sell', 'move']), random.random() * 90) for i in range(24000)))
db.execute('create index by_name on item(name)')
db.execute('create index by_item on event(item, at)')
db.commit()
time.sleep(1e6)`

const programs = [
  { name: 'node', file: process.execPath, args: ['-e', nodeProgram], pages: 1550 },
  { name: 'python', file: '/usr/bin/python3', args: ['-I', '-c', pythonProgram], pages: 1300 },
  { name: 'perl', file: '/usr/bin/perl', args: ['-e', perlProgram], pages: 450 },
  { name: 'sqlite', file: '/usr/bin/python3', args: ['-I', '-c', sqliteProgram], pages: 680 },
]

const target = process.argv[2] ?? 'fixtures/corpus/desktop.pages'
const builder = new CorpusBuilder()
for (const { name, file, args, pages } of programs) {
  const child = spawn(file, args, { env: {}, cwd: '/', stdio: 'ignore' })
  await sleep(6000)
  const all = []
  capturePid(child.pid, (page) => all.push(page.slice()) > 0)
  child.kill('SIGKILL')
  // Evenly spread over the address space.
  const step = Math.max(1, all.length / pages)
  for (let at = 0; at < all.length; at += step) builder.add(all[Math.floor(at)], name)
  console.log(`${name}: ${all.length} pages, ${builder.pages} kept so far`)
}
const zstd = await openCodec('zstd', { pageSize: CORPUS_GROUP_BYTES })
const file = encodeCorpus(builder.build(), (source, output) => zstd.compress(source, output))
writeFileSync(target, file)
console.log(`${target}: ${builder.pages} pages, ${builder.distinct} distinct, ${file.length} bytes`)
