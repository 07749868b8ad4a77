/** Reads an unsigned number of variable length (LEB128). */
function readNumber(bytes, at) {
  let value = 0;
  let shift = 1;
  for (let next = at; ; next++) {
    const one = bytes[next];
    if (one === undefined) throw new Error("the module ends too early");
    value += (one & 127) * shift;
    shift *= 128;
    if (one < 128) return { value, next: next + 1 };
  }
}

function numberBytes(value) {
  const bytes = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) | 128);
  }
}

const memorySection = 5;

/**
 * Gives every memory of a module a maximum: what a program asks for beyond it, it does not get, and is told so as of a
 * machine that has no more.
 * @throws Error if it wants more than that to begin with.
 */
export function limitMemory(bytes, pages) {
  for (let at = 8; at < bytes.length; ) {
    const id = bytes[at];
    const { value: size, next: start } = readNumber(bytes, at + 1);
    const end = start + size;
    if (id === memorySection) {
      const content = limited(bytes, start, pages);
      const section = Uint8Array.from([id, ...numberBytes(content.length), ...content]);
      const changed = new Uint8Array(at + section.length + bytes.length - end);
      changed.set(bytes.subarray(0, at));
      changed.set(section, at);
      changed.set(bytes.subarray(end), at + section.length);
      return changed;
    }
    at = end;
  }
  return bytes;
}

function limited(bytes, start, pages) {
  const { value: count, next } = readNumber(bytes, start);
  const content = numberBytes(count);
  let at = next;
  for (let number = 0; number < count; number++) {
    const flags = bytes[at];
    const least = readNumber(bytes, at + 1);
    at = least.next;
    let most = pages;
    if (flags & 1) {
      const given = readNumber(bytes, at);
      at = given.next;
      most = Math.min(most, given.value);
    }
    if (least.value > pages)
      throw new Error(`the module wants ${least.value / 16} MiB to begin with, and a job gets ${pages / 16} MiB`);
    content.push(flags | 1, ...numberBytes(least.value), ...numberBytes(most));
  }
  return content;
}
