/* Peer of codecs.bench.ts: `native-codecs PAGES` compresses every 4 KiB page of the file once per line read from stdin (the name of a
   codec) and answers with nanoseconds of CPU time per page. Libraries that are missing at compile time are left out by -DNO_... */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifndef NO_LZ4
#include <lz4.h>
#include <lz4hc.h>
#endif
#ifndef NO_ZSTD
#include <zstd.h>
#endif
#ifndef NO_LZO
#include <lzo/lzo1x.h>
#endif
#ifndef NO_ZLIB
#include <zlib.h>
#endif

#define PAGE 4096

static unsigned char *pages;
static long count;
static unsigned char out[3 * PAGE];
static volatile unsigned long sink;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int argc, char **argv) {
  FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
  if (!file) return 2;
  fseek(file, 0, SEEK_END);
  count = ftell(file) / PAGE;
  rewind(file);
  pages = malloc(count * PAGE);
  if (fread(pages, PAGE, count, file) != (size_t)count) return 2;
#ifndef NO_ZSTD
  ZSTD_CCtx *zstd = ZSTD_createCCtx();
#endif
#ifndef NO_LZO
  void *work = malloc(LZO1X_1_MEM_COMPRESS);
  if (lzo_init() != LZO_E_OK) return 2;
#endif
#ifndef NO_LZ4
  void *hc = malloc(LZ4_sizeofStateHC());
#endif
#ifndef NO_ZLIB
  z_stream z;
  memset(&z, 0, sizeof z);
  deflateInit2(&z, 6, Z_DEFLATED, -11, 8, Z_DEFAULT_STRATEGY);
#endif
  char name[64];
  while (fgets(name, sizeof name, stdin)) {
    name[strcspn(name, "\n")] = 0;
    int known = 0;
    double start = now();
    for (long i = 0; i < count; i++) {
      const unsigned char *page = pages + i * PAGE;
#ifndef NO_LZ4
      if (!strcmp(name, "lz4")) {
        sink += LZ4_compress_default((const char *)page, (char *)out, PAGE, sizeof out), known = 1;
        continue;
      }
      if (!strcmp(name, "lz4hc")) {
        sink += LZ4_compress_HC_extStateHC(hc, (const char *)page, (char *)out, PAGE, sizeof out, 9), known = 1;
        continue;
      }
#endif
#ifndef NO_ZSTD
      if (!strcmp(name, "zstd")) {
        sink += ZSTD_compressCCtx(zstd, out, sizeof out, page, PAGE, 3), known = 1;
        continue;
      }
#endif
#ifndef NO_LZO
      if (!strcmp(name, "lzo")) {
        lzo_uint length;
        lzo1x_1_compress(page, PAGE, out, &length, work);
        sink += length, known = 1;
        continue;
      }
#endif
#ifndef NO_ZLIB
      if (!strcmp(name, "deflate")) {
        deflateReset(&z);
        z.next_in = (unsigned char *)page;
        z.avail_in = PAGE;
        z.next_out = out;
        z.avail_out = sizeof out;
        deflate(&z, Z_FINISH);
        sink += z.total_out, known = 1;
        continue;
      }
#endif
      break;
    }
    printf("%f\n", known ? (now() - start) / count : -1.0);
    fflush(stdout);
  }
  return 0;
}
