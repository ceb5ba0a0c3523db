// Resizes with sharp as it is asked to on standard input, a JSON line a job; answers with the CPU time it took.
// One thread and no cache: what an item function with one vCPU has, and every job is done anew.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [, , installed] = process.argv;
const sharp = createRequire(installed + "/")("sharp");
sharp.concurrency(1);
sharp.cache(false);

const bodies = new Map();

async function resized(body, width, format) {
  const image = sharp(body).resize(width);
  return (format === "png" ? image.png({ compressionLevel: 1 }) : image.jpeg({ quality: 80 })).toBuffer();
}

for await (const line of createInterface({ input: process.stdin })) {
  const { path, widths, format, outputs } = JSON.parse(line);
  if (!bodies.has(path)) bodies.set(path, readFileSync(path));
  const body = bodies.get(path);
  const before = process.cpuUsage();
  const made = [];
  for (const width of widths) made.push(await resized(body, width, format));
  const { user, system } = process.cpuUsage(before);
  outputs.forEach((output, place) => writeFileSync(output, made[place]));
  const bytes = made.reduce((sum, one) => sum + one.length, 0);
  process.stdout.write(JSON.stringify({ milliseconds: (user + system) / 1000, bytes }) + "\n");
}
