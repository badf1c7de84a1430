// Bundles src/ into dist/: a script and a style sheet with hashed names, and the page that names them.
// dist/ is swapped in whole at the end, so that a failed or a running build never leaves half a page behind.
import { copyFile, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

const here = path.dirname(fileURLToPath(import.meta.url));
const dist = path.join(here, 'dist');
const fresh = path.join(here, `dist.${process.pid}`);
const STATIC = ['icon.svg'];

try {
  const { metafile } = await build({
    absWorkingDir: here,
    entryPoints: ['src/main.js'],
    outdir: path.join(fresh, 'assets'),
    entryNames: '[name]-[hash]',
    chunkNames: '[name]-[hash]',
    assetNames: '[name]-[hash]',
    bundle: true,
    format: 'esm',
    target: 'es2022',
    minify: true,
    sourcemap: true,
    legalComments: 'linked',
    metafile: true,
    logLevel: 'warning',
  });
  const [script] = Object.entries(metafile.outputs).filter(([, output]) => output.entryPoint === 'src/main.js');
  const [file, { cssBundle }] = script;
  if (!cssBundle) throw new Error('src/main.js imports no style sheet');
  const address = (output) => `/${path.posix.join('assets', path.posix.basename(output))}`;

  const page = await readFile(path.join(here, 'src/index.html'), 'utf8');
  for (const mark of ['%SCRIPT%', '%STYLE%']) {
    if (!page.includes(mark)) throw new Error(`src/index.html lacks ${mark}`);
  }
  await Promise.all(STATIC.map((name) => copyFile(path.join(here, 'src', name), path.join(fresh, name))));
  await writeFile(
    path.join(fresh, 'index.html'),
    page.replaceAll('%SCRIPT%', address(file)).replaceAll('%STYLE%', address(cssBundle)),
  );
  await rm(dist, { recursive: true, force: true });
  await rename(fresh, dist);
} catch (error) {
  await rm(fresh, { recursive: true, force: true });
  // esbuild has already printed its own errors.
  if (!error.errors) console.error(`build.mjs: ${error.message}`);
  process.exitCode = 1;
}
