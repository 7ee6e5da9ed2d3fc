#!/usr/bin/env node
// Answers the line protocol of ubf-conformance: requests from standard input, answers to standard
// output, a line each. To examine another codec, put it where those of ubf.mjs are called.

import { createInterface } from "node:readline";
import { DEFAULTS, Decoder, Stop, beyondBlanks, encode, header, postfix } from "./ubf.mjs";

/** `default`, or those that differ: `max_depth=3,max_tag_bytes=1`. */
function limits(words) {
  if (words === "default") return DEFAULTS;
  const values = { ...DEFAULTS };
  for (const word of words.split(",")) {
    const [name, value] = word.split("=");
    values[name] = Number(value);
  }
  return values;
}

const data = (word) => Buffer.from(word === "-" ? "" : word, "hex");

/** Every packet of a stream, then how the stream ends. `read` takes the byte where a packet begins,
 * and returns what is said of it and the byte behind it. */
function packets(read) {
  const out = [];
  for (let at = 0; ;) {
    try {
      const [said, end] = read(at);
      out.push(said);
      at = end;
    } catch (stop) {
      if (!(stop instanceof Stop)) throw stop;
      if (stop.code === "blank") out.push("complete");
      else if (stop.code === "incomplete") out.push("incomplete");
      else out.push(`error ${stop.code} ${stop.offset}`);
      return out.join(" ; ");
    }
  }
}

function plain(onlyOne, [dialect, escapes, words, word]) {
  const stream = data(word);
  const options = [limits(words), dialect === "classic", escapes === "any"];
  return packets((at) => {
    if (onlyOne && at > 0) {
      const beyond = beyondBlanks(stream, at, options[2]);
      throw beyond === null ? new Stop("blank") : new Stop("trailing-bytes", beyond);
    }
    const decoder = new Decoder(stream, at, at, ...options);
    try {
      return [postfix(decoder.run()), decoder.at];
    } catch (stop) {
      // Where a packet must be, nothing is too little.
      throw onlyOne && stop.code === "blank" ? new Stop("incomplete") : stop;
    }
  });
}

function versioned(side, [words, word]) {
  const values = limits(words);
  const stream = data(word);
  return packets((at) => {
    const { version, nextIp, body } = header(side, stream, at, values);
    const decoder = new Decoder(stream, at, body, values);
    const term = postfix(decoder.run());
    const where = nextIp === null ? "" : `${nextIp} `;
    return [`${version} ${where}${stream.toString("hex", body, decoder.at)} ${term}`, decoder.at];
  });
}

function answer(request) {
  const [word, ...rest] = request.split(" ");
  switch (word) {
    case "decode": return plain(false, rest);
    case "one": return plain(true, rest);
    case "client": case "server": return versioned(word, rest);
    case "encode": {
      const [style, dialect, ...term] = rest;
      if (style !== "plain") return "unsupported";
      return encode(term.join(" "), dialect === "classic").toString("hex");
    }
    default: return "unsupported"; // `begin` and `tell`: this is a codec alone
  }
}

for await (const request of createInterface({ input: process.stdin })) {
  process.stdout.write(`${answer(request)}\n`);
}
