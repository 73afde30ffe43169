// Compares two photo files: node compare.js selfie.jpg passport.png order-4711 [REGION]
import { readFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";

import { AwsClient } from "aws4fetch";

interface Comparison {
  id: string;
  state: "registered" | "completed" | "rejected" | "failed";
  result: { verdict: string } | null;
}

function requireVariable(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`Set ${name}.`);
  return value;
}

const client = new AwsClient({
  service: "execute-api",
  region: requireVariable("AWS_REGION"),
  accessKeyId: requireVariable("AWS_ACCESS_KEY_ID"),
  secretAccessKey: requireVariable("AWS_SECRET_ACCESS_KEY"),
  sessionToken: process.env.AWS_SESSION_TOKEN,
});

async function request(path: string, init?: RequestInit): Promise<Comparison> {
  const response = await client.fetch(`${requireVariable("API_URL")}/v1/comparisons${path}`, init);
  if (!response.ok) throw new Error(await response.text());
  return (await response.json()) as Comparison;
}

async function encode(path: string): Promise<{ photo: string }> {
  return { photo: await readFile(path, "base64") };
}

const [source, target, key, region] = process.argv.slice(2);
if (!source || !target || !key) throw new Error("Give two photos and a key.");

let comparison = await request("", {
  method: "POST",
  headers: { "content-type": "application/json", "idempotency-key": key },
  body: JSON.stringify({ region, source: await encode(source), target: await encode(target) }),
});
// 202: the comparison continues.
while (comparison.state === "registered") {
  await setTimeout(2000);
  comparison = await request(`/${comparison.id}`);
}
console.log(comparison.result?.verdict);
