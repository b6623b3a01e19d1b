// Signs requests and judges signatures as Appcues' page on webhooks describes, with Node's own crypto.
//
// Reads a JSON object a line: secret, timestamp, body (base64) and signature (hex). Prints one for each: the signature
// that is right (hex), and whether the given one is.

import { createHmac, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";

const lines = readFileSync(process.argv[2], "utf8").trimEnd().split("\n");
for (const { secret, timestamp, body, signature } of lines.map((line) => JSON.parse(line))) {
  const mac = createHmac("sha256", secret).update(`${timestamp}:`).update(Buffer.from(body, "base64"));
  const right = mac.digest();
  const verified = timingSafeEqual(right, Buffer.from(signature, "hex"));
  console.log(JSON.stringify({ right: right.toString("hex"), verified }));
}
